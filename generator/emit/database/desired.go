package database

import (
	"strconv"
	"time"

	"github.com/zavestudios/zave/generator/model"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// Desired is what the PostgreSQL of a cluster is to be: the instance, and every tenant that has a database there,
// retired ones too. It is nil where the cluster has none. The database commands and the Jobs both go by it.
func Desired(c *model.Cluster) *state.Desired {
	if c.Database == nil {
		return nil
	}
	out := bare(c)
	for _, p := range c.Placements {
		if p.Database != nil {
			out.Tenants = append(out.Tenants, desired(p))
		}
	}
	return out
}

// one is Desired with no tenant but this one.
func one(p *model.Placement) *state.Desired {
	out := bare(p.Cluster)
	out.Tenants = []state.Tenant{desired(p)}
	return out
}

// bare is Desired without tenants.
func bare(c *model.Cluster) *state.Desired {
	db := c.Database
	out := &state.Desired{
		Cluster: c.Name,
		Instance: state.Instance{
			Role:                db.Role,
			Database:            db.Database,
			Monitors:            db.Monitors,
			Strict:              db.Strict,
			MaxConnections:      db.MaxConnections,
			ReservedConnections: db.ReservedConnections,
		},
	}
	if db.Superuser != nil {
		out.Instance.Superuser = db.Superuser.Name
	}
	for _, n := range db.Networks {
		out.Instance.Networks = append(out.Instance.Networks, n.String())
	}
	return out
}

// The schemas of a tenant's database.
const (
	schema          = "app"
	extensionSchema = "extensions"
)

func desired(p *model.Placement) state.Tenant {
	db := p.Database
	return state.Tenant{
		Name:             p.Tenant.Name,
		Hash:             db.Hash,
		Database:         db.Name,
		Roles:            state.Roles(db.Roles),
		Schema:           schema,
		ExtensionSchema:  extensionSchema,
		Extensions:       db.Extensions,
		Connections:      db.Connections,
		StatementTimeout: milliseconds(db.StatementTimeout),
		RowLevelSecurity: db.RowLevelSecurity,
	}
}

// milliseconds writes a duration as PostgreSQL takes it, which has one unit at a time and "min" for "m" (PostgreSQL
// manual, 19.1.1, "Parameter Names and Values").
func milliseconds(s string) string {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil: // the loader has refused it
		return ""
	case d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "min"
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	}
	return strconv.FormatInt(d.Milliseconds(), 10) + "ms"
}

package postgres

import (
	"context"
	"maps"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/zavestudios/zave/internal/postgres/attack"
	"github.com/zavestudios/zave/internal/postgres/state"
)

// target is a database with a tenant's data: a restored one. What is tried on it needs nothing made there, and is rolled
// back should it succeed; but for what would end the database, which is a copy.
type target struct {
	tenant    state.Tenant // with the database's name, and the extensions that it has
	passwords Credentials  // of the tenant's logins, as far as they are known
}

// restoredPlace is where something was tried: in the target.
const restoredPlace = "restored"

// runOn runs what of the suite can be tried on the target: from outside, as the roles of a throw-away tenant, and from
// within, as the tenant's own, whose neighbour is a throw-away one. The results bear the tenant's name.
func (p *probes) runOn(ctx context.Context, s *Server, base *pgconn.Config, suite *attack.Suite, o VerifyOptions) (
	[]Result, error) {
	suite = chosen(suite, o.Categories)
	var out []Result
	for _, within := range []bool{false, true} {
		r := p.runner(ctx, s, base, suite.Aimed(), o)
		r.real, r.passwords = o.on.tenant.Name, maps.Clone(p.passwords)
		maps.Copy(r.passwords, o.on.passwords)
		if within {
			r.suite = suite.Within()
			r.own = o.on.tenant
		} else {
			r.victim, r.verifier = o.on.tenant, ""
		}
		results, err := r.run(ctx)
		place := string(attack.Neighbour)
		if within {
			place = string(attack.Own)
		}
		for i := range results {
			results[i].Tenant = o.on.tenant.Name
			if results[i].Where == place {
				results[i].Where = restoredPlace
			}
		}
		out = append(out, results...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

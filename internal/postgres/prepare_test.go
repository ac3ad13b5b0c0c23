package postgres

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/pgtest"
	"github.com/zavestudios/zave/internal/postgres/state"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// onEach runs a test for each major version.
func onEach(t *testing.T, run func(t *testing.T, major int)) {
	t.Helper()
	for _, major := range pgtest.Majors() {
		t.Run(fmt.Sprint(major), func(t *testing.T) { run(t, major) })
	}
}

// tenant is a tenant with names as the compiler gives them.
func tenant(name string) state.Tenant {
	return state.Tenant{
		Name: name, Hash: "sha256:" + name, Database: "db_" + name,
		Roles: state.Roles{
			Owner: name + "_owner", Migrator: name + "_migrator", App: name + "_app", AppA: name + "_app_a",
			AppB: name + "_app_b", ReadOnly: name + "_readonly", Backup: name + "_backup",
		},
		Schema: "app", ExtensionSchema: "extensions", Extensions: []string{"pgcrypto"},
		Connections: 20, StatementTimeout: "30s",
	}
}

// estate is an instance with tenants, by default alpha and beta.
func estate(names ...string) *state.Desired {
	if len(names) == 0 {
		names = []string{"alpha", "beta"}
	}
	d := &state.Desired{
		Cluster: "test",
		Instance: state.Instance{
			Role: "platform_bootstrap", Database: "zave", MaxConnections: 200, ReservedConnections: 10,
		},
	}
	for _, name := range names {
		d.Tenants = append(d.Tenants, tenant(name))
	}
	return d
}

// passwords gives every role that has a credential one.
func passwords(want *state.Desired) Credentials {
	out := Credentials{}
	for _, t := range want.Tenants {
		for _, role := range t.Roles.Logins() {
			if _, ok := t.Roles.Credential(role); ok {
				out[role] = "password of " + role
			}
		}
	}
	return out
}

// reach gives a Server for a DSN.
func reach(t testing.TB, dsn string) *Server {
	t.Helper()
	s, err := New(Options{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// prepared is a server on which the instance's step has been done, as a superuser, and no tenant's.
type prepared struct {
	*pgtest.Server
	want        *state.Desired
	credentials Credentials // of the tenants' roles and the platform's
}

// prepare starts a fresh server for an estate and does the instance's step.
func prepare(t testing.TB, major int, want *state.Desired, options ...pgtest.Option) *prepared {
	t.Helper()
	p := &prepared{pgtest.Start(t, major, options...), want, passwords(want)}
	p.credentials[want.Instance.Role] = "password of " + want.Instance.Role
	p.instance(t)
	return p
}

// instance does the instance's step.
func (p *prepared) instance(t testing.TB) {
	t.Helper()
	alone := *p.want
	alone.Tenants = nil
	o := ApplyOptions{Options: state.Options{Instance: true}, Credentials: p.credentials}
	if _, err := p.superuser(t).Apply(t.Context(), &alone, o); err != nil {
		t.Fatal(err)
	}
}

// superuser reaches the server as its superuser.
func (p *prepared) superuser(t testing.TB) *Server {
	t.Helper()
	return reach(t, p.SuperuserDSN("postgres"))
}

// platform reaches it as the platform's role.
func (p *prepared) platform(t testing.TB) *Server {
	t.Helper()
	return reach(t, p.platformDSN())
}

func (p *prepared) platformDSN() string {
	return p.DSN(p.want.Instance.Role, p.credentials[p.want.Instance.Role], p.want.Instance.Database)
}

// apply brings the tenants to their state, as the platform's role.
func (p *prepared) apply(t testing.TB) *Applied {
	t.Helper()
	done, err := p.platform(t).Apply(t.Context(), p.want, ApplyOptions{Credentials: p.credentials})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// clean fails the test unless nothing is left to do, in the eyes of the platform's role and of a superuser.
func (p *prepared) clean(t testing.TB) {
	t.Helper()
	for who, s := range map[string]*Server{"the platform's role": p.platform(t), "a superuser": p.superuser(t)} {
		plan, _, err := s.Plan(t.Context(), p.want, state.Options{Instance: who == "a superuser"}, p.credentials)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range plan.Refusals {
			t.Errorf("%s is refused: %s", who, r.Message)
		}
		for _, step := range plan.Steps {
			t.Errorf("%s has still to do %s: %s", who, stepName(step), step.Why)
		}
	}
}

// login connects as a role, and gives the error if there is one.
func login(s *Server, database, role, password string) error {
	ctx := context.Background()
	conn, err := s.Login(ctx, database, role, password)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

package state

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// settled is an instance as it is after a plan was applied, in a platform role's eyes.
func settled(d *Desired, version int) *Live {
	l := Blank(version, d.Instance.Role, false)
	p := newPlanner(d, l, Options{})
	acl := func(kind, object, owner, grantee string, privileges ...string) []ACL {
		var out []ACL
		for _, privilege := range privileges {
			out = append(out, ACL{Kind: kind, Object: object, Owner: owner, Grantee: grantee, Grantor: owner,
				Privilege: privilege})
		}
		return out
	}
	l.Databases[0].ACL = acl("database", `"postgres"`, "postgres", d.Instance.Role, "CONNECT")
	l.Databases[1].ACL = nil
	l.Databases = append(l.Databases, Database{
		Name: d.Instance.Database, Owner: d.Instance.Role, AllowConnections: true, ConnectionLimit: -1, Comment: instanceMark,
	})
	for i := range d.Tenants {
		t := &d.Tenants[i]
		for _, w := range t.wanted() {
			l.Roles = append(l.Roles, Role{
				Name: w.name, Inherit: w.inherit, Login: w.login, ConnectionLimit: w.limit, Comment: t.mark(),
				Password: PasswordRight,
			})
			if version >= withOptions {
				l.Memberships = append(l.Memberships, Membership{Role: w.name, Member: p.platform, Grantor: "postgres",
					Admin: true})
			}
		}
		tp := &tenantPlan{planner: p, t: t}
		l.Memberships = append(l.Memberships, tp.wantedMemberships()...)
		db := Database{
			Name: t.Database, Owner: p.platform, AllowConnections: true, ConnectionLimit: t.Connections, Comment: t.mark(),
			ACL: acl("database", Ident(t.Database), p.platform, p.platform, "CONNECT", "CREATE", "TEMPORARY"),
		}
		want := tp.databaseAccess(&db).want
		for _, grantee := range sortedKeys(want) {
			db.ACL = append(db.ACL, acl("database", Ident(t.Database), p.platform, grantee, want[grantee]...)...)
		}
		l.Databases = append(l.Databases, db)
		for _, s := range p.settings(t) {
			l.RoleConfigs = append(l.RoleConfigs, RoleConfig{Database: t.Database, Name: s.name, Value: s.value})
		}
		in := Inside{Database: t.Database, Schemas: []Schema{
			{t.Schema, t.Roles.Owner}, {t.ExtensionSchema, p.platform}, {"public", "pg_database_owner"},
		}}
		for _, role := range []string{t.Roles.App, t.Roles.ReadOnly, t.Roles.Backup} {
			in.ACLs = append(in.ACLs, acl("schema", Ident(t.Schema), t.Roles.Owner, role, "USAGE")...)
		}
		for _, role := range []string{t.Roles.Owner, t.Roles.Migrator, t.Roles.App, t.Roles.ReadOnly, t.Roles.Backup} {
			in.ACLs = append(in.ACLs, acl("schema", Ident(t.ExtensionSchema), p.platform, role, "USAGE")...)
		}
		for _, name := range t.Extensions {
			in.Extensions = append(in.Extensions, Extension{Name: name, Schema: t.ExtensionSchema, Owner: p.platform})
		}
		for _, kind := range []string{"FUNCTIONS", "TYPES"} {
			in.Defaults = append(in.Defaults, DefaultACL{Role: t.Roles.Owner, Kind: kind})
		}
		for _, s := range t.shares(version) {
			i := slices.IndexFunc(in.Defaults, func(d DefaultACL) bool {
				return d.Role == s.maker && d.Schema == s.schema && d.Kind == s.kind
			})
			if i < 0 {
				i = len(in.Defaults)
				in.Defaults = append(in.Defaults, DefaultACL{Role: s.maker, Schema: s.schema, Kind: s.kind})
			}
			in.Defaults[i].ACL = append(in.Defaults[i].ACL, acl("default", s.kind, s.maker, s.role, s.privileges...)...)
		}
		// A tenant of the usual size.
		for n := range 40 {
			o := Object{Kind: "TABLE", Name: Ident(t.Schema) + "." + Ident("table"+strconv.Itoa(n)), Owner: t.Roles.Owner}
			in.Own = append(in.Own, o)
			in.ACLs = append(in.ACLs, acl("table", o.Name, o.Owner, t.Roles.App, "SELECT", "INSERT", "UPDATE", "DELETE")...)
			in.ACLs = append(in.ACLs, acl("table", o.Name, o.Owner, t.Roles.ReadOnly, "SELECT")...)
			in.ACLs = append(in.ACLs, acl("table", o.Name, o.Owner, t.Roles.Backup, "SELECT")...)
		}
		l.Inside = append(l.Inside, in)
	}
	return l
}

func many(n int) *Desired {
	d := &Desired{Cluster: "main", Instance: example().Instance}
	for i := range n {
		name := fmt.Sprintf("t%03d", i)
		t := example().Tenants[0]
		t.Name, t.Database = name, "db_"+name
		t.Roles = Roles{name + "_owner", name + "_migrator", name + "_app", name + "_app_a", name + "_app_b", name +
			"_readonly", name + "_backup"}
		d.Tenants = append(d.Tenants, t)
	}
	return d
}

// TestSettled: nothing is planned for what is as desired.
func TestSettled(t *testing.T) {
	for _, version := range versions() {
		d := many(3)
		plan := d.Plan(settled(d, version), Options{Credentials: credentials(d)})
		if len(plan.Steps)+len(plan.Refusals)+len(plan.Findings) > 0 {
			t.Errorf("%d:\n%s", version, written(plan))
		}
	}
}

// TestPlanIsPure: the same states give the same plan, and neither is changed.
func TestPlanIsPure(t *testing.T) {
	d := many(3)
	for _, version := range versions() {
		for _, l := range []*Live{settled(d, version), Blank(version, "postgres", true)} {
			o := Options{Credentials: credentials(d), Instance: true}
			first := d.Plan(l, o)
			if again := many(3).Plan(l, o); !reflect.DeepEqual(first, again) {
				t.Errorf("%d: another plan:\n%s\n%s", version, written(first), written(again))
			}
		}
		if !reflect.DeepEqual(settled(d, version), settled(many(3), version)) {
			t.Errorf("%d: the states were changed", version)
		}
	}
}

// TestSteps: what all steps of all plans have in common.
func TestSteps(t *testing.T) {
	d := example()
	statement := regexp.MustCompile(`^(CREATE|ALTER|GRANT|REVOKE|COMMENT|SELECT) `)
	for _, version := range versions() {
		o := Options{Credentials: credentials(d), Instance: true}
		super := d.Plan(Blank(version, "postgres", true), o)
		o.Instance = false
		platform := d.Plan(Blank(version, d.Instance.Role, false), o)
		seen := map[string]bool{}
		for _, s := range super.Steps {
			if seen[s.ID] {
				t.Errorf("%d: %s stands twice", version, s.ID)
			}
			seen[s.ID] = true
			if s.ID == "" || s.Why == "" || !statement.MatchString(s.SQL) || strings.HasSuffix(strings.TrimSpace(s.SQL), ";") {
				t.Errorf("%d: %+v", version, s)
			}
			creates := strings.HasPrefix(s.SQL, "CREATE ROLE") || strings.HasPrefix(s.SQL, "CREATE DATABASE")
			if creates && s.Unless == "" {
				t.Errorf("%d: %s cannot be repeated: %s", version, s.ID, s.SQL)
			}
			if (s.Password != "") != strings.Contains(s.SQL, Verifier) || strings.Contains(s.Statement("'x'"), Verifier) {
				t.Errorf("%d: %s: a password without its verifier: %s", version, s.ID, s.SQL)
			}
			if s.Tenant != "" && s.Destructive {
				t.Errorf("%d: %s takes something from nobody", version, s.ID)
			}
		}
		tenants := slices.DeleteFunc(slices.Clone(super.Steps), func(s Step) bool { return s.Tenant == "" })
		if !reflect.DeepEqual(tenants, platform.Steps) {
			t.Errorf("%d: a superuser makes tenants in other ways:\n%s\n%s", version, written(Plan{Steps: tenants}),
				written(platform))
		}
		if n := len(super.Refusals) + len(platform.Refusals) + len(platform.Findings); n > 0 {
			t.Errorf("%d: %d refusals and findings on an empty server", version, n)
		}
		if len(super.Findings) != 1 || super.Findings[0].ID != "monitor-missing" {
			t.Errorf("%d: found %+v", version, super.Findings)
		}
		checkOrder(t, super.Steps)
	}
}

// checkOrder sees to it that nobody gets in before the door has a lock.
func checkOrder(t *testing.T, steps []Step) {
	t.Helper()
	at := func(id string) int {
		i := slices.IndexFunc(steps, func(s Step) bool { return strings.HasPrefix(s.ID, id) })
		if i < 0 {
			t.Fatalf("there is no step %s", id)
		}
		return i
	}
	for _, name := range []string{"books", "maps"} {
		order := []string{
			"role/" + name + "_app/create", "role/" + name + "_app/comment", "database/db_" + name + "/create",
			"database/db_" + name + "/revoke/PUBLIC", "database/db_" + name + "/setting/statement_timeout",
			"database/db_" + name + "/comment", "database/db_" + name + "/open", "role/" + name +
				"_owner/member/platform_bootstrap/take",
			"database/db_" + name + "/schema/public/revoke/PUBLIC", "database/db_" + name + "/schema/app/create",
			"role/" + name + "_owner/member/platform_bootstrap/give-back", "role/" + name + "_app/open", "role/" + name +
				"_app/password",
			"database/db_" + name + "/grant/connect",
		}
		for i := 1; i < len(order); i++ {
			if at(order[i-1]) >= at(order[i]) {
				t.Errorf("%s comes after %s", order[i-1], order[i])
			}
		}
	}
}

// TestRefusals: what a plan does not touch, and says.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*Desired, *Live, *Options)
		want   []string // in the messages, one each
	}{
		{"version", func(_ *Desired, l *Live, _ *Options) { l.Version = 140012 }, []string{"PostgreSQL 14"}},
		{"replica", func(_ *Desired, l *Live, _ *Options) { l.Recovery = true }, []string{"replica"}},
		{"not prepared", func(d *Desired, l *Live, _ *Options) { l.Roles = l.Roles[1:] }, []string{"does not exist"}},
		{"no rights", func(d *Desired, l *Live, _ *Options) { l.Roles[0].CreateRole = false }, []string{"lacks CREATEROLE"}},
		{"somebody else", func(_ *Desired, l *Live, _ *Options) { l.User = "anybody" }, []string{"may not become"}},
		{"administrator", func(_ *Desired, l *Live, o *Options) { l.User, l.CreateDB, o.Instance = "anybody", false, true },
			[]string{"lacks CREATEDB"}},
		{"foreign role", func(_ *Desired, l *Live, _ *Options) {
			l.Roles = append(l.Roles, Role{Name: "maps_app",
				Login: true})
		},
			[]string{"maps_app exists and is not zave's"}},
		{"another tenant's role", func(_ *Desired, l *Live, _ *Options) {
			l.Roles = append(l.Roles, Role{Name: "maps_app", Login: true, Comment: "zave: tenant books, spec c0ffee"})
		}, []string{"maps_app exists and belongs to the tenant books"}},
		{"a name that begins alike", func(_ *Desired, l *Live, _ *Options) {
			l.Roles = append(l.Roles, Role{Name: "maps_app", Login: true, Comment: "zave: tenant maps, specially"})
		}, []string{"maps_app exists"}},
		{"half-made role", func(_ *Desired, l *Live, _ *Options) { l.Roles = append(l.Roles, Role{Name: "maps_app"}) }, nil},
		{"half-made superuser", func(_ *Desired, l *Live, _ *Options) {
			l.Roles = append(l.Roles, Role{Name: "maps_app", Superuser: true})
		}, []string{"maps_app exists"}},
		{"adopted role", func(_ *Desired, l *Live, o *Options) {
			l.Roles = append(l.Roles, Role{Name: "maps_app", Login: true})
			o.Adopt = []string{"maps_app"}
		}, nil},
		{"foreign database", func(_ *Desired, l *Live, _ *Options) {
			l.Databases = append(l.Databases, Database{Name: "db_maps", Owner: "postgres"})
		}, []string{"db_maps exists"}},
		{"half-made database", func(d *Desired, l *Live, _ *Options) {
			l.Databases = append(l.Databases, Database{Name: "db_maps", Owner: d.Instance.Role})
		}, nil},
		{"foreign instance", func(d *Desired, l *Live, o *Options) {
			o.Instance = true
			l.Roles[0].Comment = ""
			l.Databases = append(l.Databases, Database{Name: "zave", Owner: "postgres"})
		}, []string{"platform_bootstrap exists", "zave exists"}},
		{"long name", func(d *Desired, _ *Live, _ *Options) { d.Tenants[0].Roles.Backup = strings.Repeat("é", 32) },
			[]string{"64 bytes"}},
		{"same name", func(d *Desired, _ *Live, _ *Options) { d.Tenants[0].Roles.Backup = d.Tenants[1].Roles.App },
			[]string{"both of the tenant books and of the tenant maps"}},
		{"name of the system's", func(d *Desired, _ *Live, _ *Options) {
			d.Tenants[0].Roles.App, d.Tenants[0].Database, d.Tenants[0].Schema = "pg_books", "template1", "public"
		}, []string{"system's: template1", "pg_books", "public", "template1 exists"}},
		{"no name", func(d *Desired, _ *Live, _ *Options) { d.Tenants[0].Database, d.Tenants[1].Schema = "", "" },
			[]string{"no name", "no name"}},
		{"one schema", func(d *Desired, _ *Live, _ *Options) { d.Tenants[0].Schema = "extensions" }, []string{"one name"}},
		{"no connections", func(d *Desired, _ *Live, _ *Options) { d.Tenants[0].Connections = 0 },
			[]string{"no connections"}},
	} {
		d := example()
		l, o := Blank(160000, d.Instance.Role, false), Options{}
		slices.SortFunc(l.Roles, func(a, b Role) int { return strings.Compare(a.Name, b.Name) })
		c.change(d, l, &o)
		plan := d.Plan(l, o)
		var got []string
		for _, r := range plan.Refusals {
			got = append(got, r.Message)
			if r.ID == "" || r.Hint == "" {
				t.Errorf("%s: %+v", c.name, r)
			}
		}
		if len(got) != len(c.want) || slices.ContainsFunc(c.want, func(want string) bool {
			return !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, want) })
		}) {
			t.Errorf("%s: refused: %q, not %q", c.name, got, c.want)
		}
		if plan.Empty() {
			t.Errorf("%s: the plan is said to be empty", c.name)
		}
	}
}

// TestUnread: of a database that nobody could enter, a plan says so, and touches nothing in it; one that is closed is
// opened, and made anew.
func TestUnread(t *testing.T) {
	d := many(2)
	l := settled(d, 160000)
	l.Inside = l.Inside[1:]
	l.Unread = []Unread{{Database: "db_t000", What: "the database db_t000", Why: "too many connections"}}
	plan := d.Plan(l, Options{})
	if len(plan.Steps) > 0 || len(plan.Findings) != 1 || !strings.Contains(plan.Findings[0].Message,
		"too many connections") {
		t.Errorf("%s", written(plan))
	}
	i := slices.IndexFunc(l.Databases, func(d Database) bool { return d.Name == "db_t000" })
	l.Databases[i].AllowConnections = false
	l.Unread = nil
	plan = d.Plan(l, Options{})
	for _, id := range []string{"database/db_t000/open", "database/db_t000/schema/app/create",
		"database/db_t000/extension/pgcrypto/create"} {
		if !slices.ContainsFunc(plan.Steps, func(s Step) bool { return s.ID == id }) {
			t.Errorf("no step %s:\n%s", id, written(plan))
		}
	}
	for _, s := range plan.Steps {
		if s.Tenant != "t000" || strings.HasPrefix(s.SQL, "CREATE") && !strings.Contains(s.SQL, "IF NOT EXISTS") {
			t.Errorf("%s: %s", s.ID, s.SQL)
		}
	}
}

// TestExtensions: untrusted ones take a superuser, missing ones are said, and others go only by name.
func TestExtensions(t *testing.T) {
	d := many(1)
	d.Tenants[0].Extensions = []string{"hstore", "file_fdw", "nowhere"}
	l := settled(d, 160000)
	l.Inside[0].Extensions = []Extension{{Name: "plpgsql"}, {Name: "dblink", Owner: "postgres"}, {Name: "pgcrypto",
		Owner: d.Instance.Role}}
	l.Extensions = []AvailableExtension{{"dblink", false}, {"file_fdw", false}, {"hstore", true}, {"pgcrypto", true}}
	o := Options{AllowDrop: []string{"db_t000/dblink", "db_t000/pgcrypto"}}
	found := func(p Plan) string {
		var out []string
		for _, s := range p.Steps {
			out = append(out, s.ID)
		}
		for _, f := range p.Findings {
			out = append(out, f.ID+" "+f.Object)
		}
		return strings.Join(out, "\n")
	}
	for name, c := range map[string]struct {
		super bool
		o     Options
		want  string
	}{
		"platform": {false, Options{}, `database/db_t000/extension/hstore/create
needs-superuser database/db_t000/extension/file_fdw/create
extension-missing nowhere
extension-extra dblink
extension-extra pgcrypto`},
		"superuser": {true, Options{}, `database/db_t000/extension/hstore/create
database/db_t000/extension/file_fdw/create
extension-missing nowhere
extension-extra dblink
extension-extra pgcrypto`},
		"drop": {false, o, `database/db_t000/extension/hstore/create
database/db_t000/extension/pgcrypto/drop
needs-superuser database/db_t000/extension/file_fdw/create
extension-missing nowhere
needs-superuser database/db_t000/extension/dblink/drop`},
	} {
		l.Superuser = c.super
		if got := found(d.Plan(l, c.o)); got != c.want {
			t.Errorf("%s:\n%s", name, got)
		}
	}
}

// TestFile: what is written is read, and nothing else.
func TestFile(t *testing.T) {
	d := example()
	again, err := Decode(d.Encode())
	if err != nil || !reflect.DeepEqual(d, again) {
		t.Errorf("%+v: %v", again, err)
	}
	good := string(d.Encode())
	for _, c := range [][2]string{
		{"", "ends too early"},
		{good[:len(good)/2], "ends too early"},
		{"[]", "is to be a"},
		{"{,}", "line 1: it is not JSON"},
		{strings.Replace(good, `"cluster"`, `"clutter"`, 1), `unknown field "clutter"`},
		{strings.Replace(good, `"maxConnections": 200`, `"maxConnections": "many"`, 1),
			"instance.maxConnections is to be a int, not a string"},
		{good + "{}", "something stands behind it"},
		{good + "x", "something stands behind it"},
		{strings.Replace(good, `"books_app"`, `"maps_app"`, 1), "both of the tenant books and of the tenant maps"},
		{strings.Replace(good, `"db_books"`, `"postgres"`, 1), "a name of the system's"},
	} {
		if _, err := Decode([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%v, not %q", err, c[1])
		}
	}
}

// BenchmarkPlan is what planning takes where nothing is to be done.
func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{1, 100, 500} {
		d := many(n)
		l := settled(d, 160000)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				if plan := d.Plan(l, Options{}); !plan.Empty() {
					b.Fatal("there is something to do")
				}
			}
		})
	}
}

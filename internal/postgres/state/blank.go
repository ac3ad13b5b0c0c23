package state

// Blank is an empty server of a version (160000 stands for 16), as a role sees it that connects to it. Of a superuser,
// the instance has not been prepared; any other role is the one that makes tenants, and for that one it has been.
func Blank(version int, user string, superuser bool) *Live {
	first := "postgres"
	if superuser {
		first = user
	}
	l := &Live{
		Version: version, User: user, Superuser: superuser, CreateRole: true, CreateDB: true,
		Roles: []Role{{
			Name: first, Superuser: true, Inherit: true, CreateRole: true, CreateDB: true, Login: true, Replication: true,
			Bypass: true, ConnectionLimit: -1,
		}},
	}
	open := func(name string, template bool) Database {
		return Database{
			Name: name, Owner: first, Template: template, AllowConnections: true, ConnectionLimit: -1,
			ACL: []ACL{
				{Kind: "database", Object: Ident(name), Owner: first, Grantor: first, Privilege: "CONNECT"},
				{Kind: "database", Object: Ident(name), Owner: first, Grantor: first, Privilege: "TEMPORARY"},
			},
		}
	}
	template := open("template1", true)
	template.ACL = template.ACL[:1] // initdb leaves PUBLIC no TEMPORARY there
	l.Databases = []Database{open("postgres", false), template}
	if superuser {
		return l
	}
	role := Role{
		Name: user, Inherit: true, CreateRole: true, CreateDB: true, Login: true, ConnectionLimit: -1, Comment: instanceMark,
	}
	l.Roles = append(l.Roles, role)
	if role.Name < first {
		l.Roles[0], l.Roles[1] = l.Roles[1], l.Roles[0]
	}
	for _, name := range platformParameters() {
		l.Parameters = append(l.Parameters, ACL{
			Kind: "parameter", Object: name, Owner: first, Grantee: user, Grantor: first, Privilege: "SET",
		})
	}
	return l
}

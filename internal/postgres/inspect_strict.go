package postgres

import (
	"context"
	"strings"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// inspectStrict reads who may use what the strict profile closes in a tenant's database: of functions, of tables, and of
// the columns of tables. The owner's own privileges are among them, so that what exists is known.
func inspectStrict(ctx context.Context, conn *Conn, version int, byOID names) ([]state.ACL, error) {
	var functions, tables []string
	for _, r := range state.StrictRevocations(version) {
		if r.Kind == "FUNCTION" {
			functions = append(functions, r.Objects...)
		} else {
			tables = append(tables, r.Objects...)
		}
	}
	answers, err := questions(ctx, conn, `
SELECT n.name, p.proowner, a.grantee, a.grantor, a.privilege_type, a.is_grantable
FROM unnest(`+textArray(functions)+`) AS n (name)
JOIN pg_proc AS p ON p.oid = to_regprocedure(n.name)
CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a`, `
SELECT n.name, c.relowner, a.grantee, a.grantor, a.privilege_type, a.is_grantable, a.attname
FROM unnest(`+textArray(tables)+`) AS n (name)
JOIN pg_class AS c ON c.oid = to_regclass(n.name)
CROSS JOIN LATERAL (
	SELECT x.*, '' AS attname FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS x
	UNION ALL
	SELECT x.*, t.attname FROM pg_attribute AS t CROSS JOIN LATERAL aclexplode(t.attacl) AS x
	WHERE t.attrelid = c.oid AND NOT t.attisdropped
) AS a`)
	if err != nil {
		return nil, err
	}
	var out []state.ACL
	for i, kind := range []string{"function", "table"} {
		for _, r := range answers[i] {
			a := state.ACL{
				Kind: kind, Object: r[0], Owner: byOID.of(r[1]), Grantee: byOID.of(r[2]), Grantor: byOID.of(r[3]), Privilege: r[4],
				Grantable: yes(r[5]),
			}
			if i == 1 && r[6] != "" {
				a.Kind, a.Object = "column", a.Object+"."+r[6]
			}
			out = append(out, a)
		}
	}
	sortACLs(out)
	return out, nil
}

// textArray writes an array of names that hold nothing to quote.
func textArray(names []string) string { return "'{\"" + strings.Join(names, `","`) + "\"}'::text[]" }

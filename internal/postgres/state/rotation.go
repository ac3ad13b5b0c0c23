package state

import (
	"strings"
	"time"
)

// undated is Undated as SQL has it.
const undated = "9999-12-31 00:00:00+00"

// Undated is the VALID UNTIL of a login of rotation whose password came from the store and not from a rotation: on a
// server that is set up anew. It has no end, but a date, which says that the login is in use; a rotation begun on the
// server itself never leaves this one.
func Undated() time.Time { return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }

// Owns tells whether the comment on a role or a database says that it is this tenant's.
func (t *Tenant) Owns(comment string) bool { return strings.HasPrefix(comment, t.markPrefix()) }

// handOut sets the password of a login of rotation where the store says that this login is the one in use, and the
// server knows nothing of it, since it was set up anew. Where a rotation has come by, its password and its end are
// the rotation's, and a plan leaves them alone.
func (tp *tenantPlan) handOut(role string) {
	if !tp.o.Credentials[role] {
		return
	}
	r := tp.roles[role]
	if r == nil || r.ValidUntil == "" {
		tp.step(Step{
			ID: "role/" + role + "/password", Password: role,
			SQL: "ALTER ROLE " + Ident(role) + " PASSWORD " + Verifier + " VALID UNTIL '" + undated + "'",
			Why: role + " is the application's login by its file, and has no password here yet",
		})
		return
	}
	if r.Password == PasswordWrong {
		tp.find(Finding{
			ID: "rotated-password", Severity: Medium, Object: role,
			Message: "the password of " + role + " is not the one in its file, or is no longer valid: it was to be until " +
				r.ValidUntil,
			Hint: "`zave db rotate " + tp.t.Name + "` gives the application another one; with --lost, to this very login",
		})
	}
}

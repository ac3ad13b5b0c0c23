package state

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Comment is the comment on the tenant's roles and on its database.
func (t *Tenant) Comment() string { return t.mark() }

// databaseMark is the comment on the tenant's database, or on one that stands in for it.
func (t *Tenant) databaseMark() string { return t.mark() + t.Note }

// RestoreDatabase names the database beside the tenant's that a restore fills, and TestDatabase the one that a restore
// test does. Their names are the same at every time, for pg_hba.conf to have them in the tenant's line: before version
// 16 it knows no regular expressions. No compiler makes a name with a hyphen, so that none is another tenant's.
func (t *Tenant) RestoreDatabase() string { return Beside(t.Database, "-restore") }

// TestDatabase is described with RestoreDatabase.
func (t *Tenant) TestDatabase() string { return Beside(t.Database, "-test") }

// databases lists those that the tenant's logins may enter.
func (t *Tenant) databases() []string {
	return []string{t.Database, t.RestoreDatabase(), t.TestDatabase()}
}

// Beside puts a suffix behind a name. What is too long for PostgreSQL is cut, and given a digest of the whole.
func Beside(name, suffix string) string {
	room := MaxIdentifier - len(suffix)
	if len(name) <= room {
		return name + suffix
	}
	sum := sha256.Sum256([]byte(name))
	tail := "_" + hex.EncodeToString(sum[:8])
	// A character that the cut goes through goes as a whole.
	return strings.ToValidUTF8(name[:room-len(tail)], "") + tail + suffix
}

// ownCopy tells whether a database is one of the tenant's beside the desired one: being restored into, or from before
// a restore. Only the platform, which owns both, can have put the comment there. While one of them is brought to its
// state, sessions in the other are left alone.
func (t *Tenant) ownCopy(db *Database, platform string) bool {
	return db != nil && db.Owner == platform && t.Owns(db.Comment)
}

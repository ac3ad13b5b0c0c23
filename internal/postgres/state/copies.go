package state

// Comment is the comment on the tenant's roles and on its database.
func (t *Tenant) Comment() string { return t.mark() }

// ownCopy tells whether a database is one of the tenant's beside the desired one: being restored into, or from before
// a restore. Only the platform, which owns both, can have put the comment there. While one of them is brought to its
// state, sessions in the other are left alone.
func (tp *tenantPlan) ownCopy(name string) bool {
	db := tp.dbs[name]
	return db != nil && db.Owner == tp.platform && tp.t.Owns(db.Comment)
}

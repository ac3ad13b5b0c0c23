package state

import (
	"slices"
	"strings"
)

// Revocation is a group of the system's functions, tables and views that show or do something across tenants, and that
// the strict profile takes from PUBLIC in a tenant's database. PostgreSQL gives PUBLIC all of them (PostgreSQL manual,
// 5.8, "Privileges"; 28.2, "The Cumulative Statistics System"; 54, "System Views"), and only a superuser can take them
// away: they belong to the first one.
//
// What has to go on working does not need them: pg_dump as the tenant's backup, the descriptions of psql, what drivers
// and mappers ask of the catalogues.
type Revocation struct {
	ID      string   // of the group: "activity"
	Kind    string   // FUNCTION or TABLE, as GRANT says
	Objects []string // as SQL names them, sorted
	// Columns are those of the one view that everybody keeps: tools read them.
	Columns []string
	// Keep are who keeps the privilege: "owner", "migrator", "backup", and "platform" for what an inspection reads.
	Keep []string
	Why  string
}

func (r *Revocation) privilege() string {
	if r.Kind == "FUNCTION" {
		return "EXECUTE"
	}
	return "SELECT"
}

// versioned is an object with the first and the last major version that have it; 0: no bound.
type versioned struct {
	since, until int
	names        string // separated by spaces
}

// StrictRevocations gives the groups of the strict profile for a server of a version (160000 stands for 16), sorted.
func StrictRevocations(version int) []Revocation {
	major := version / 10000
	var out []Revocation
	for _, g := range []struct {
		Revocation
		objects []versioned
	}{
		{Revocation{
			ID: "activity", Kind: "FUNCTION", Why: "who is connected to a neighbour's database, from where, and what he waits for",
		}, []versioned{
			{0, 0, `pg_stat_get_activity(integer) pg_stat_get_backend_activity(integer)
				pg_stat_get_backend_activity_start(integer) pg_stat_get_backend_client_addr(integer)
				pg_stat_get_backend_client_port(integer) pg_stat_get_backend_dbid(integer) pg_stat_get_backend_idset()
				pg_stat_get_backend_pid(integer) pg_stat_get_backend_start(integer) pg_stat_get_backend_userid(integer)
				pg_stat_get_backend_wait_event(integer) pg_stat_get_backend_wait_event_type(integer)
				pg_stat_get_backend_xact_start(integer) pg_stat_get_progress_info(text)`},
			{16, 0, "pg_stat_get_backend_subxact(integer)"},
			{18, 0, "pg_stat_get_backend_io(integer) pg_stat_get_backend_wal(integer)"},
		}},
		{Revocation{
			ID: "advisory-locks", Kind: "FUNCTION", Keep: []string{"owner", "migrator"},
			Why: "one statement fills the table of locks that all tenants share; tools for migrations need them, and whoever makes " +
				"tables can fill that table anyhow",
		}, []versioned{
			{0, 0, `pg_advisory_lock(bigint) pg_advisory_lock(integer,integer) pg_advisory_lock_shared(bigint)
				pg_advisory_lock_shared(integer,integer) pg_advisory_xact_lock(bigint) pg_advisory_xact_lock(integer,integer)
				pg_advisory_xact_lock_shared(bigint) pg_advisory_xact_lock_shared(integer,integer)
				pg_try_advisory_lock(bigint) pg_try_advisory_lock(integer,integer) pg_try_advisory_lock_shared(bigint)
				pg_try_advisory_lock_shared(integer,integer) pg_try_advisory_xact_lock(bigint)
				pg_try_advisory_xact_lock(integer,integer) pg_try_advisory_xact_lock_shared(bigint)
				pg_try_advisory_xact_lock_shared(integer,integer)`},
		}},
		{Revocation{
			ID: "comments", Kind: "TABLE", Keep: []string{"backup", "platform"},
			Why: "comments and labels on neighbours' roles and databases; pg_dump reads those of its own database there",
		}, []versioned{{0, 0, "pg_shdescription pg_shseclabel"}}},
		{Revocation{
			ID: "instance", Kind: "FUNCTION", Why: "how large and how busy the instance is, and thereby the neighbours",
		}, []versioned{
			{0, 0, `pg_control_checkpoint() pg_control_init() pg_control_recovery() pg_control_system() pg_current_wal_flush_lsn()
				pg_current_wal_insert_lsn() pg_current_wal_lsn() pg_get_replication_slots() pg_last_committed_xact()
				pg_last_wal_receive_lsn() pg_last_wal_replay_lsn() pg_last_xact_replay_timestamp() pg_notification_queue_usage()
				pg_stat_get_replication_slot(text) pg_stat_get_subscription(oid) pg_stat_get_subscription_stats(oid)
				pg_stat_get_wal_receiver() pg_stat_get_wal_senders() pg_tablespace_databases(oid) pg_tablespace_size(name)
				pg_tablespace_size(oid) pg_xact_commit_timestamp(xid) pg_xact_commit_timestamp_origin(xid)`},
			{17, 0, "pg_available_wal_summaries() pg_get_wal_summarizer_state() pg_wal_summary_contents(bigint,pg_lsn,pg_lsn)"},
		}},
		{Revocation{
			ID: "large-objects", Kind: "FUNCTION", Keep: []string{"owner", "migrator"},
			Why: "a large object belongs to the login that made it, where the backup may not read it, and no migration knows of it",
		}, []versioned{
			{0, 0, "lo_creat(integer) lo_create(oid) lo_from_bytea(oid,bytea)"},
		}},
		{Revocation{ID: "locks", Kind: "FUNCTION", Why: "what neighbours lock, and who waits for whom"}, []versioned{
			{0, 0, `pg_blocking_pids(integer) pg_isolation_test_session_is_blocked(integer,integer[]) pg_lock_status()
				pg_prepared_xact() pg_safe_snapshot_blocking_pids(integer)`},
		}},
		{Revocation{
			ID: "memberships", Kind: "TABLE", Keep: []string{"platform"},
			Why: "memberships and dependencies of neighbours' roles and databases",
		}, []versioned{{0, 0, "pg_auth_members pg_group pg_shdepend"}}},
		{Revocation{
			ID: "messages", Kind: "FUNCTION", Why: "it writes to the instance's WAL without any table",
		}, []versioned{
			{0, 16, "pg_logical_emit_message(boolean,text,bytea) pg_logical_emit_message(boolean,text,text)"},
			{17, 0, "pg_logical_emit_message(boolean,text,bytea,boolean) pg_logical_emit_message(boolean,text,text,boolean)"},
		}},
		{Revocation{
			ID: "settings", Kind: "TABLE", Keep: []string{"backup", "platform"},
			Why: "settings of neighbours' roles and databases; pg_dump reads those of its own database there",
		}, []versioned{{0, 0, "pg_db_role_setting"}}},
		{Revocation{
			ID: "settings-of-roles", Kind: "TABLE", Why: "the settings of neighbours' roles",
			Columns: strings.Fields(`rolname rolsuper rolinherit rolcreaterole rolcreatedb rolcanlogin rolreplication rolconnlimit
				rolpassword rolvaliduntil rolbypassrls oid`),
		}, []versioned{{0, 0, "pg_roles"}}},
		{Revocation{
			ID: "settings-of-users", Kind: "TABLE", Why: "the settings of neighbours' roles",
			Columns: strings.Fields("usename usesysid usecreatedb usesuper userepl usebypassrls passwd valuntil"),
		}, []versioned{{0, 0, "pg_user"}}},
		{Revocation{
			ID: "statistics", Kind: "FUNCTION", Why: "how many sessions, transactions and rows a neighbour has",
		}, []versioned{
			{0, 0, `pg_stat_get_archiver() pg_stat_get_bgwriter_buf_written_clean() pg_stat_get_bgwriter_maxwritten_clean()
				pg_stat_get_bgwriter_stat_reset_time() pg_stat_get_buf_alloc() pg_stat_get_db_active_time(oid)
				pg_stat_get_db_blk_read_time(oid) pg_stat_get_db_blk_write_time(oid) pg_stat_get_db_blocks_fetched(oid)
				pg_stat_get_db_blocks_hit(oid) pg_stat_get_db_checksum_failures(oid) pg_stat_get_db_checksum_last_failure(oid)
				pg_stat_get_db_conflict_all(oid) pg_stat_get_db_conflict_bufferpin(oid) pg_stat_get_db_conflict_lock(oid)
				pg_stat_get_db_conflict_snapshot(oid) pg_stat_get_db_conflict_startup_deadlock(oid)
				pg_stat_get_db_conflict_tablespace(oid) pg_stat_get_db_deadlocks(oid)
				pg_stat_get_db_idle_in_transaction_time(oid) pg_stat_get_db_numbackends(oid) pg_stat_get_db_session_time(oid)
				pg_stat_get_db_sessions(oid) pg_stat_get_db_sessions_abandoned(oid) pg_stat_get_db_sessions_fatal(oid)
				pg_stat_get_db_sessions_killed(oid) pg_stat_get_db_stat_reset_time(oid) pg_stat_get_db_temp_bytes(oid)
				pg_stat_get_db_temp_files(oid) pg_stat_get_db_tuples_deleted(oid) pg_stat_get_db_tuples_fetched(oid)
				pg_stat_get_db_tuples_inserted(oid) pg_stat_get_db_tuples_returned(oid) pg_stat_get_db_tuples_updated(oid)
				pg_stat_get_db_xact_commit(oid) pg_stat_get_db_xact_rollback(oid) pg_stat_get_recovery_prefetch()
				pg_stat_get_slru() pg_stat_get_wal()`},
			{0, 16, `pg_stat_get_bgwriter_buf_written_checkpoints() pg_stat_get_bgwriter_requested_checkpoints()
				pg_stat_get_bgwriter_timed_checkpoints() pg_stat_get_buf_fsync_backend() pg_stat_get_buf_written_backend()
				pg_stat_get_checkpoint_sync_time() pg_stat_get_checkpoint_write_time()`},
			{16, 0, "pg_stat_get_db_conflict_logicalslot(oid) pg_stat_get_io()"},
			{17, 0, `pg_stat_get_checkpointer_buffers_written() pg_stat_get_checkpointer_num_requested()
				pg_stat_get_checkpointer_num_timed() pg_stat_get_checkpointer_restartpoints_performed()
				pg_stat_get_checkpointer_restartpoints_requested() pg_stat_get_checkpointer_restartpoints_timed()
				pg_stat_get_checkpointer_stat_reset_time() pg_stat_get_checkpointer_sync_time()
				pg_stat_get_checkpointer_write_time()`},
			{18, 0, `pg_stat_get_checkpointer_num_performed() pg_stat_get_checkpointer_slru_written()
				pg_stat_get_db_parallel_workers_launched(oid) pg_stat_get_db_parallel_workers_to_launch(oid)`},
		}},
		{Revocation{
			ID: "statistics-of-databases", Kind: "TABLE",
			Why: "which databases there are; a view that is asked for names alone calls no function",
		}, []versioned{{0, 0, "pg_stat_database pg_stat_database_conflicts"}}},
	} {
		r := g.Revocation
		for _, v := range g.objects {
			if (v.since == 0 || v.since <= major) && (v.until == 0 || major <= v.until) {
				for _, name := range strings.Fields(v.names) {
					r.Objects = append(r.Objects, "pg_catalog."+name)
				}
			}
		}
		slices.Sort(r.Objects)
		out = append(out, r)
	}
	return out
}

// keepers gives the roles that keep a revocation's privilege in a tenant's database.
func (d *Desired) keepers(r *Revocation, t *Tenant) []string {
	var out []string
	for _, k := range r.Keep {
		switch k {
		case "owner":
			out = append(out, t.Roles.Owner)
		case "migrator":
			out = append(out, t.Roles.Migrator)
		case "backup":
			out = append(out, t.Roles.Backup)
		case "platform":
			out = append(out, d.Instance.Role)
		}
	}
	return out
}

// StrictKeeps tells whether the strict profile itself grants a privilege on one of the system's objects, named as in
// StrictRevocations, in a tenant's database: to a role, or on a column to PUBLIC.
func (d *Desired) StrictKeeps(version int, t *Tenant, object, grantee string) bool {
	if !d.Instance.Strict {
		return false
	}
	for _, r := range StrictRevocations(version) {
		if !slices.Contains(r.Objects, object) {
			continue
		}
		return slices.Contains(d.keepers(&r, t), grantee) || grantee == "" && len(r.Columns) > 0
	}
	return false
}

// strictSteps gives the steps of the strict profile in a tenant's database: it takes from PUBLIC and from the tenant's
// roles what StrictRevocations lists, and gives it to those who keep it. Where the profile is standard, there are none: an
// administrator who has closed more than that is left alone.
func (d *Desired) strictSteps(l *Live, t Tenant) []Step {
	if !d.Instance.Strict {
		return nil
	}
	have := map[string][]ACL{} // by object
	known := false
	for i := range l.Inside {
		if l.Inside[i].Database == t.Database {
			known = true
			for _, a := range l.Inside[i].Strict {
				have[a.Object] = append(have[a.Object], a)
			}
		}
	}
	var out []Step
	for _, r := range StrictRevocations(l.Version) {
		id := "database/" + t.Database + "/strict/" + r.ID + "/"
		step := func(what, sql, why string, taken bool) {
			out = append(out, Step{
				ID: id + what, Tenant: t.Name, Database: t.Database, SQL: sql, Why: why, Superuser: true, Destructive: taken && known,
			})
		}
		holders := map[string][]string{} // objects by who has too much of them
		keepers := d.keepers(&r, &t)
		var lacking []string // objects that a keeper lacks
		columns := false     // PUBLIC lacks some
		for _, object := range r.Objects {
			acls, exists := have[object]
			if known && !exists {
				continue // a server that leaves it out
			}
			if !known {
				holders[""] = append(holders[""], object)
				lacking = append(lacking, object)
				columns = true
				continue
			}
			for _, a := range acls {
				if a.Grantee != a.Owner && !slices.Contains(keepers, a.Grantee) &&
					(a.Grantee == "" || slices.Contains(t.Roles.All(), a.Grantee)) &&
					!slices.Contains(holders[a.Grantee], object) {
					holders[a.Grantee] = append(holders[a.Grantee], object)
				}
			}
			if slices.ContainsFunc(keepers, func(k string) bool {
				return !slices.ContainsFunc(acls, func(a ACL) bool { return a.Grantee == k && a.Privilege == r.privilege() })
			}) {
				lacking = append(lacking, object)
			}
			for _, c := range r.Columns {
				columns = columns || !slices.ContainsFunc(have[object+"."+c], func(a ACL) bool {
					return a.Grantee == "" && a.Privilege == "SELECT"
				})
			}
		}
		for _, who := range sortedKeys(holders) {
			from, name := Ident(who), who
			if who == "" {
				from, name = "PUBLIC", "everybody"
			}
			suffix := name
			if who == "" {
				suffix = "PUBLIC"
			}
			step("revoke/"+suffix, "REVOKE ALL ON "+r.Kind+" "+strings.Join(holders[who], ", ")+" FROM "+from,
				"in "+t.Database+" "+name+" can use what the strict profile closes: "+r.Why, true)
			// With the privilege on the view goes the one on its columns.
			columns = columns || who == "" && len(r.Columns) > 0
		}
		if len(keepers) > 0 && len(lacking) > 0 {
			step("keep", "GRANT "+r.privilege()+" ON "+r.Kind+" "+strings.Join(lacking, ", ")+" TO "+idents(keepers),
				strings.Join(keepers, " and ")+" may go on to use it in "+t.Database, false)
		}
		if len(r.Columns) > 0 && columns {
			step("columns", "GRANT SELECT ("+strings.Join(r.Columns, ", ")+") ON "+r.Objects[0]+" TO PUBLIC",
				"tools go on to read the other columns of "+r.Objects[0]+" in "+t.Database, false)
		}
	}
	return out
}

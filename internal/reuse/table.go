package reuse

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
)

// Digest is a SHA-256.
type Digest = [sha256.Size]byte

// oldest is how many saves ago an entry of a Table may have been asked for last.
const oldest = 50

// Table remembers what a function gave, by digests of what it was given and of what it gave. As a Memory, it is never
// the truth about anything but that function, of one program.
type Table struct {
	store Store
	rows  map[Digest]*row
	fresh bool // there is something that the store does not have
}

type row struct {
	value Digest
	age   byte // in saves
}

// OpenTable reads what was saved; nothing where there is nothing, or it is damaged.
func OpenTable(s Store) *Table {
	t := &Table{store: s, rows: map[Digest]*row{}}
	const size = 2*sha256.Size + 1
	body, ok := s.Read()
	n, k := binary.Uvarint(body)
	if !ok || k <= 0 || len(body)-k < 0 || n > uint64(len(body)) || uint64(len(body)-k) != n*size {
		return t
	}
	for b := body[k:]; len(b) > 0; b = b[size:] {
		age := min(b[size-1], oldest) + 1
		t.rows[Digest(b)] = &row{Digest(b[sha256.Size:]), age}
	}
	return t
}

// Get gives the value of a key.
func (t *Table) Get(key Digest) (Digest, bool) {
	r := t.rows[key]
	if r == nil {
		return Digest{}, false
	}
	r.age = 0
	return r.value, true
}

// Put remembers the value of a key.
func (t *Table) Put(key, value Digest) {
	if r := t.rows[key]; r != nil && r.value == value {
		r.age = 0
		return
	}
	t.rows[key], t.fresh = &row{value: value}, true
}

// Save writes the table, if there is something new in it, without what nobody has asked for in a long time.
func (t *Table) Save() {
	if !t.fresh {
		return
	}
	maps.DeleteFunc(t.rows, func(_ Digest, r *row) bool { return r.age > oldest })
	keys := slices.SortedFunc(maps.Keys(t.rows), func(a, b Digest) int { return bytes.Compare(a[:], b[:]) })
	b := binary.AppendUvarint(nil, uint64(len(keys)))
	for _, key := range keys {
		r := t.rows[key]
		b = append(append(append(b, key[:]...), r.value[:]...), r.age)
	}
	t.store.Write(b)
	t.fresh = false
}

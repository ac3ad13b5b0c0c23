package object

import "slices"

// place is where a value goes: at the root, or behind a key or a dash that stands in column col.
type place struct {
	col  int
	root bool
	dash bool
}

// mapping gives the column of the keys of a mapping here.
func (p place) mapping() int {
	if p.root {
		return 0
	}
	return p.col + 2
}

// list gives the column of the dashes of a list here: the key's own.
func (p place) list() int {
	if p.dash {
		return p.col + 2
	}
	return p.col
}

// block is a mapping or a list being written, keys or dashes in column col.
type block struct {
	col  int
	at   place
	some bool // at least one entry stands
}

// open begins an entry: the first one of a block behind a key goes to the next line, behind a dash it stays.
func (e *encoder) open(m *block) {
	first := !m.some
	m.some = true
	switch {
	case first && m.at.root:
		return
	case first && m.at.dash:
		e.buf = append(e.buf, ' ')
		return
	case first:
		e.buf = append(e.buf, '\n')
	}
	e.buf = appendIndent(e.buf, m.col)
}

// key begins an entry of a map.
func (e *encoder) key(m *block, key string) {
	e.open(m)
	mark := len(e.buf)
	e.buf = appendString(e.buf, key)
	// Readers look for the colon within 1024 characters (YAML 1.2.2, 7.4.2); a longer key has to be announced.
	if len(e.buf)-mark > 1000 {
		e.buf = slices.Insert(e.buf, mark, '?', ' ')
		e.buf = append(e.buf, '\n')
		e.buf = appendIndent(e.buf, m.col)
	}
	e.buf = append(e.buf, ':')
}

// close ends a block; one without entries is written as none, and is an outcome of its own where it is a mapping.
func (e *encoder) close(m block, none string, o outcome) outcome {
	if m.some {
		return written
	}
	e.sep(m.at)
	e.buf = append(e.buf, none...)
	e.buf = append(e.buf, '\n')
	return o
}

// text writes a string.
func (e *encoder) text(s string, at place) {
	e.sep(at)
	switch styleOf(s) {
	case plainStyle:
		e.buf = append(e.buf, s...)
	case literalStyle:
		if !at.root {
			e.buf = appendLiteral(e.buf, s, at.col)
			return
		}
		fallthrough
	default:
		e.buf = appendQuoted(e.buf, s)
	}
	e.buf = append(e.buf, '\n')
}

func (e *encoder) number(s string, at place) {
	e.sep(at)
	e.buf = append(appendNumber(e.buf, s), '\n')
}

// sep parts a value from the key or the dash on its line.
func (e *encoder) sep(at place) {
	if !at.root {
		e.buf = append(e.buf, ' ')
	}
}

package object

import (
	"bytes"
	"encoding/json"
	"io"
	"reflect"
	"strconv"
)

// json writes what a json.Marshaler says, in the order it says it.
func (e *encoder) json(v reflect.Value, at place) outcome {
	m, ok := v.Interface().(json.Marshaler)
	if !ok {
		m = addressable(v).Addr().Interface().(json.Marshaler)
	}
	text, err := m.MarshalJSON()
	if err != nil {
		e.bug(err.Error())
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	t := e.token(d)
	if t == nil {
		return null
	}
	o := e.tokens(d, t, at)
	if _, err := d.Token(); err != io.EOF {
		e.bug("is more than one JSON value")
	}
	return o
}

// tokens writes the JSON value that begins with t.
func (e *encoder) tokens(d *json.Decoder, t json.Token, at place) outcome {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			m := block{col: at.list(), at: at}
			for d.More() {
				e.open(&m)
				e.buf = append(e.buf, '-')
				e.tokens(d, e.token(d), place{col: m.col, dash: true})
			}
			e.token(d)
			return e.close(m, "[]", written)
		}
		m := block{col: at.mapping(), at: at}
		for d.More() {
			key := e.token(d).(string)
			if at.root && key == "status" {
				var skipped json.RawMessage
				if err := d.Decode(&skipped); err != nil {
					e.bug(err.Error())
				}
				continue
			}
			value := e.token(d)
			if value == nil && key == creationTimestamp {
				continue
			}
			e.key(&m, key)
			e.tokens(d, value, place{col: m.col})
		}
		e.token(d)
		return e.close(m, "{}", empty)
	case string:
		e.text(t, at)
	case json.Number:
		e.number(t.String(), at)
	case bool:
		e.sep(at)
		e.buf = append(strconv.AppendBool(e.buf, t), '\n')
	case nil:
		e.sep(at)
		e.buf = append(e.buf, "null\n"...)
	}
	return written
}

func (e *encoder) token(d *json.Decoder) json.Token {
	t, err := d.Token()
	if err != nil {
		e.bug("is not JSON: " + err.Error())
	}
	return t
}

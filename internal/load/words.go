package load

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/token"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/source"
)

// reporter words what is wrong with one spec.
type reporter struct {
	diags  []diag.Diagnostic
	tenant string // empty: the platform
	noun   string // "the tenant" or "the platform"
	pos    *positions
	files  []*ast.File // the spec's, for "did you mean"
	mended bool        // something that was reported has been replaced by "_"
}

func (r *reporter) report(code diag.Code, at source.Span, path []string, summary, hint string, notes ...diag.Note) {
	r.diags = append(r.diags, diag.Diagnostic{
		Code: code, Span: at, Summary: summary, Hint: hint, Notes: notes, Tenant: r.tenant, Field: join(path),
	})
}

// what is how the summary calls the value at a path: by its own name, or that of the list it is in.
func (r *reporter) what(path []string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if !isIndex(path[i]) {
			return path[i]
		}
	}
	return r.noun
}

// where is how the summary calls the struct at a path.
func (r *reporter) where(path []string) string {
	if len(path) == 0 {
		return r.noun
	}
	return join(path)
}

// unknown reports a field that the schema does not have.
func (r *reporter) unknown(s *shape, name string, path []string, at source.Span) {
	hint := diag.DidYouMean(name, s.names())
	if hint == "" {
		hint = "remove it"
	}
	in := r.where(path[:len(path)-1])
	r.report(diag.UnknownField, at, path, fmt.Sprintf("%s has no field %s", in, quote(name)), hint)
}

// missing reports a required field that is not there.
func (r *reporter) missing(f *fieldShape, s *shape, path []string) {
	hint := "add " + f.name + ": " + example(f.shape)
	if f.doc != "" {
		hint += "; " + strings.TrimSuffix(f.doc, ".")
	}
	r.report(diag.MissingField, r.pos.Key(path...), append(slices.Clone(path), f.name),
		fmt.Sprintf("%s needs the field %q", r.where(path), f.name), hint)
}

func (r *reporter) emptyList(path []string) {
	r.report(diag.OutOfRange, r.pos.At(path...), path, r.what(path)+" is empty, and needs at least one entry", "")
}

// form hints at the form of a value, where there is something to show.
func form(s *shape) string {
	if e := example(s); e != "…" && e != `"…"` {
		return "write " + e
	}
	return ""
}

// example shows the form of a value.
func example(s *shape) string {
	switch s.kind {
	case structKind:
		var names []string
		for _, f := range s.fields {
			if f.required {
				names = append(names, f.name+": …")
			}
		}
		return "{" + strings.Join(names, ", ") + "}"
	case mapKind, openKind:
		return "{…}"
	case listKind:
		return "[" + example(s.elem) + "]"
	case stringKind:
		if len(s.enum) > 0 {
			return quote(s.enum[0])
		}
		return `"…"`
	case boolKind:
		return "true"
	}
	return "…"
}

// check holds a value of one place against its shape. It gives the value, or nil when it is mistaken.
func (w *walker) check(n *node, s *shape, path []string, v cue.Value) *node {
	at := func() source.Span { return w.place(path, v) } // not needed as a rule, and not free
	switch {
	case s.kind == anyKind:
		return n
	case s.kind != n.kind && !(s.kind == numberKind && n.kind == intKind):
		w.wrongType(n, s, path, at())
		return nil
	case s.kind == stringKind:
		return w.checkString(n, s, path, at)
	case s.kind == intKind || s.kind == numberKind:
		return w.checkNumber(n, s, path, at)
	}
	return n
}

func (r *reporter) wrongType(n *node, s *shape, path []string, at source.Span) {
	hint := ""
	switch {
	case s.kind == stringKind && n.kind >= boolKind && n.kind <= numberKind:
		hint = "put it in quotes: " + quote(n.text)
	case n.kind == stringKind && (isNumber(n.text) && (s.kind == intKind || s.kind == numberKind) ||
		s.kind == boolKind && (n.text == "true" || n.text == "false")):
		hint = "leave out the quotes: " + n.text
	case s.kind == listKind && n.kind >= boolKind && n.kind <= stringKind:
		hint = "put it in brackets: [" + n.literal() + "]"
	case n.kind == listKind && s.kind == stringKind:
		hint = "it is a single value: leave out the brackets"
	default:
		hint = form(s)
	}
	r.report(diag.WrongType, at, path, fmt.Sprintf("%s is %s, and must be %s", r.what(path), n.describe(), s.kind.article()), hint)
}

func isNumber(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// describe is what a value is: its kind, and for a scalar its text.
func (n *node) describe() string {
	switch n.kind {
	case nullKind, listKind, structKind, bytesKind:
		return n.kind.article()
	case boolKind:
		return n.text
	}
	return n.kind.article() + ", " + n.literal()
}

// literal writes a scalar as CUE does, not too long.
func (n *node) literal() string {
	if n.kind == stringKind {
		return quote(n.text)
	}
	return shorten(n.text)
}

const maxQuoted = 70 // runes of a value that a summary shows

func quote(s string) string { return strconv.Quote(shorten(s)) }

func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxQuoted {
		return s
	}
	return string([]rune(s)[:maxQuoted-1]) + "…"
}

// codeOf is the code for a string that does not have the form of a definition.
func codeOf(definition string) diag.Code {
	switch definition {
	case "#Name":
		return diag.BadName
	case "#Host":
		return diag.BadHost
	case "#Digest":
		return diag.BadDigest
	case "#Quantity":
		return diag.BadQuantity
	case "#CIDR":
		return diag.BadCIDR
	case "#Cron":
		return diag.BadCron
	}
	return diag.BadFormat
}

func (w *walker) checkString(n *node, s *shape, path []string, at func() source.Span) *node {
	switch {
	case len(s.enum) > 0:
		if slices.Contains(s.enum, n.text) {
			return n
		}
		quoted := make([]string, len(s.enum))
		for i, e := range s.enum {
			quoted[i] = strconv.Quote(e)
		}
		hint := ""
		if near := diag.Suggest(n.text, s.enum); near != "" {
			hint = "did you mean " + strconv.Quote(near) + "?"
		}
		w.report(diag.NotAllowed, at(), path, fmt.Sprintf("%s is %s, and must be %s", w.what(path), quote(n.text), either(quoted)), hint)
		return nil
	case s.pattern != nil && !s.pattern.MatchString(n.text):
		w.badFormat(n.text, s, path, at())
		return nil
	}
	return w.beyondPattern(n, s, path, at)
}

// either lists alternatives.
func either(all []string) string {
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}

func (r *reporter) badFormat(text string, s *shape, path []string, at source.Span) {
	want := s.doc
	if want == "" {
		want = "of the form " + s.pattern.String()
	}
	r.report(codeOf(s.name), at, path, fmt.Sprintf("%s %s is not %s", r.what(path), quote(text), want), remedy(text, s))
}

// remedy finds what was probably meant by a string that does not have its form; empty when that is anyone's guess.
func remedy(text string, s *shape) string {
	fits := s.pattern.MatchString
	lower := strings.ToLower(strings.TrimSpace(text))
	candidates := []string{strings.TrimSpace(text), lower}
	switch s.name {
	case "#Name":
		candidates = append(candidates, strings.Trim(strings.NewReplacer("_", "-", " ", "-", ".", "-", "/", "-").Replace(lower), "-"))
		if len(text) > 40 {
			return fmt.Sprintf("it is %d characters long: take a shorter one", len(text))
		}
	case "#Host":
		h := lower
		if _, rest, ok := strings.Cut(h, "://"); ok {
			h = rest
		}
		h, _, _ = strings.Cut(h, "/")
		h, _, _ = strings.Cut(h, ":")
		candidates = append(candidates, strings.TrimSuffix(h, "."))
		if strings.Contains(text, "*") {
			return "list each host by itself"
		}
	case "#Quantity":
		for _, suffix := range [][2]string{{"b", ""}, {"ib", "i"}, {"", "i"}} {
			if rest, ok := strings.CutSuffix(lower, suffix[0]); ok && rest != "" {
				rest += suffix[1]
				if i := strings.LastIndexAny(rest, "kmgtp"); i >= 0 && !strings.HasSuffix(lower, "m") {
					candidates = append(candidates, rest[:i]+strings.ToUpper(rest[i:i+1])+rest[i+1:])
				}
			}
		}
		candidates = append(candidates, strings.ReplaceAll(text, " ", ""), strings.ReplaceAll(text, ",", "."))
	case "#Digest":
		if hex, ok := strings.CutPrefix(lower, "sha256:"); ok && len(hex) != 64 {
			return fmt.Sprintf("it has %d digits", len(hex))
		}
		candidates = append(candidates, "sha256:"+lower)
	case "#CIDR":
		if a, err := netip.ParseAddr(text); err == nil {
			return fmt.Sprintf("a single address is %q", netip.PrefixFrom(a, a.BitLen()))
		}
	case "#Cron":
		if strings.HasPrefix(text, "@") {
			return diag.DidYouMean(text, []string{"@hourly", "@daily", "@weekly", "@monthly", "@yearly"})
		}
		if n := len(strings.Fields(text)); n != 5 {
			return fmt.Sprintf("it has %d fields, and five are needed", n)
		}
		return "put one space between two fields, and none around them"
	case "#GitURL", "#ChartURL":
		if u, err := url.Parse(text); err == nil && u.User != nil {
			return withoutCredentials
		}
	case "#Version":
		candidates = append(candidates, text+".0", text+".0.0")
		if strings.ContainsAny(text, "^~*xX<>=") {
			return "name one version: what runs must not change by itself"
		}
	case "#HTTPPath", "#MountPath":
		candidates = append(candidates, "/"+text, strings.TrimSuffix(text, "/"))
	case "#RegistryPrefix":
		candidates = append(candidates, text+"/")
	case "#Repository":
		if name, _, ok := strings.Cut(text, "@"); ok && fits(name) {
			return fmt.Sprintf("did you mean %q? the digest has a field of its own", name)
		}
		if i := strings.LastIndexByte(text, ':'); i > 0 && fits(text[:i]) {
			return fmt.Sprintf("did you mean %q? the tag has a field of its own", text[:i])
		}
	}
	for _, c := range candidates {
		if fits(c) {
			return "did you mean " + quote(c) + "?"
		}
	}
	return ""
}

func (r *reporter) checkNumber(n *node, s *shape, path []string, at func() source.Span) *node {
	f, err := strconv.ParseFloat(n.text, 64)
	ok := err == nil
	for _, b := range s.bounds {
		switch b.op {
		case token.GEQ:
			ok = ok && f >= b.n
		case token.GTR:
			ok = ok && f > b.n
		case token.LEQ:
			ok = ok && f <= b.n
		case token.LSS:
			ok = ok && f < b.n
		}
	}
	if s.kind == intKind && ok {
		_, err := strconv.ParseInt(n.text, 10, 64)
		ok = err == nil
	}
	if ok {
		return n
	}
	hint := ""
	if r.what(path) == "runAs" && f == 0 {
		hint = "it is root, which no container runs as: leave runAs out, or name the image's own user"
	}
	r.report(diag.OutOfRange, at(), path, fmt.Sprintf("%s is %s, and must be %s", r.what(path), shorten(n.text), s.limits()), hint)
	return nil
}

// limits says what a number may be.
func (s *shape) limits() string {
	if s.doc != "" {
		return s.doc
	}
	var out []string
	for _, b := range s.bounds {
		n := strconv.FormatFloat(b.n, 'f', -1, 64)
		switch b.op {
		case token.GEQ:
			out = append(out, "at least "+n)
		case token.GTR:
			out = append(out, "above "+n)
		case token.LEQ:
			out = append(out, "at most "+n)
		case token.LSS:
			out = append(out, "below "+n)
		}
	}
	if len(out) == 0 {
		return s.kind.article() + " that fits 64 bits"
	}
	return strings.Join(out, " and ")
}

// checkKey holds the name of a map's field against the shape of the names.
func (r *reporter) checkKey(s *shape, name string, path []string) {
	if s.key.pattern == nil || s.key.pattern.MatchString(name) {
		return
	}
	in := r.where(path[:len(path)-1])
	r.report(codeOf(s.key.name), r.pos.Key(path...), path, fmt.Sprintf("the name %s in %s is not %s", quote(name), in, s.key.doc), remedy(name, s.key))
}

// notConcrete reports a value that is still open.
func (r *reporter) notConcrete(v cue.Value, s *shape, path []string, at source.Span) {
	var e errors.Error
	if err := v.Err(); err != nil {
		e = errors.Errors(err)[0]
	} else if err := v.Validate(cue.Concrete(true)); err != nil {
		e = errors.Errors(err)[0]
	}
	summary, hint := r.what(path)+" has no value yet", form(s)
	if e != nil {
		format, args := e.Msg()
		switch {
		case strings.HasPrefix(format, "undefined field"), strings.HasPrefix(format, "reference %q not found"):
			name := strings.Trim(fmt.Sprint(args...), `"`)
			summary = fmt.Sprintf("%s refers to %s, which is not there", r.what(path), quote(name))
			hint = r.near(name)
			if at2 := r.first(e); !at2.IsZero() {
				at = at2
			}
		case v.IncompleteKind() == cue.TopKind:
		case v.IncompleteKind() != cue.BottomKind:
			summary = fmt.Sprintf("%s is %s, which is a type and not a value", r.what(path), shorten(fmt.Sprint(v)))
		default:
			hint = oneLine(e)
		}
	}
	r.report(diag.NotConcrete, at, path, summary, hint)
}

// near hints at a name in the spec's files.
func (r *reporter) near(name string) string {
	var labels []string
	for _, f := range r.files {
		ast.Walk(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Field:
				if label, _, err := ast.LabelName(n.Label); err == nil {
					labels = append(labels, label)
				}
			case *ast.LetClause:
				labels = append(labels, n.Ident.Name)
			}
			return true
		}, nil)
	}
	if s := diag.Suggest(name, labels); s != "" {
		return "did you mean " + strconv.Quote(s) + "?"
	}
	return ""
}

// first is the first place of an error that lies in the spec's files; zero where none does.
func (r *reporter) first(e errors.Error) source.Span {
	for _, p := range r.places(e) {
		return p
	}
	return source.Span{}
}

// places are those of an error that lie in the spec's files, sorted.
func (r *reporter) places(e errors.Error) []source.Span {
	var out []source.Span
	for _, p := range append([]token.Pos{e.Position()}, e.InputPositions()...) {
		if s := spanAt(p); slices.Contains(r.pos.files, s.File) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, source.Span.Compare)
	return slices.Compact(out)
}

// evaluation reports an error of CUE's own.
func (r *reporter) evaluation(err error, path []string) {
	for _, e := range errors.Errors(err) {
		if r.mended && strings.Contains(oneLine(e), " _ ") {
			continue // a consequence of what was reported
		}
		places := r.places(e)
		at := r.pos.At(path...)
		if len(places) > 0 {
			at = places[0]
		}
		format, args := e.Msg()
		switch {
		case strings.HasPrefix(format, "conflicting values"):
			var notes []diag.Note
			if len(places) > 1 {
				at = places[len(places)-1]
				for _, p := range places[:len(places)-1] {
					notes = append(notes, diag.Note{Span: p, Text: "the other value"})
				}
			}
			summary := r.what(path) + " is given two values that differ"
			if len(args) >= 2 {
				summary += ": " + either2(args)
			}
			r.report(diag.Conflict, at, path, summary, "keep one of them", notes...)
		case strings.HasPrefix(format, "field not allowed"):
			r.report(diag.UnknownField, at, path, fmt.Sprintf("%s is not a field of the definition that it is in", r.what(path)), r.near(r.what(path)))
		case strings.HasPrefix(format, "reference %q not found"), strings.HasPrefix(format, "undefined field"):
			name := strings.Trim(fmt.Sprint(args...), `"`)
			r.report(diag.NotConcrete, at, path, fmt.Sprintf("there is no %s to refer to", quote(name)), r.near(name))
		case strings.HasPrefix(format, "imported and not used"):
			r.report(diag.Import, at, path, oneLine(e), "remove the import")
		default:
			summary := oneLine(e)
			if len(path) > 0 {
				summary = r.what(path) + ": " + summary
			}
			r.report(diag.Evaluation, at, path, summary, "")
		}
	}
}

// either2 words the two values of a conflict, in an order that does not depend on CUE's.
func either2(args []any) string {
	a, b := shorten(fmt.Sprint(args[0])), shorten(fmt.Sprint(args[1]))
	if a > b {
		a, b = b, a
	}
	return a + " and " + b
}

// oneLine is CUE's own message without its path and positions.
func oneLine(e errors.Error) string {
	format, args := e.Msg()
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	if utf8.RuneCountInString(line) > 200 {
		line = string([]rune(line)[:199]) + "…"
	}
	return line
}

package attack

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed data/*.yaml
var data embed.FS

// Load reads the suite. An error is a mistake in the embedded files.
func Load() (*Suite, error) { return load(data) }

func load(files fs.FS) (*Suite, error) {
	names, err := fs.Glob(files, "data/*.yaml")
	if err != nil {
		return nil, err
	}
	suite := &Suite{}
	byKind := map[Kind][]Check{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		var f file
		dec := yaml.NewDecoder(bytes.NewReader(text))
		dec.KnownFields(true)
		if err := dec.Decode(&f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := dec.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s: more than one document", name)
		}
		for _, s := range f.Fixture {
			suite.Fixture = append(suite.Fixture, Statement(s))
		}
		checks, err := f.checks()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, c := range checks {
			byKind[c.Kind] = append(byKind[c.Kind], c)
		}
	}
	for _, kind := range []Kind{Standard, Strict, Control, Inherent} {
		suite.Checks = append(suite.Checks, byKind[kind]...)
	}
	for i := range suite.Checks {
		c := &suite.Checks[i]
		c.Staged = c.Staged || slices.ContainsFunc(c.texts(), suite.furnished)
	}
	if err := unique(suite.Checks); err != nil {
		return nil, err
	}
	return suite, nil
}

func unique(checks []Check) error {
	seen := map[string]bool{}
	for _, c := range checks {
		if seen[c.ID] {
			return fmt.Errorf("%s: there are two of that name", c.ID)
		}
		seen[c.ID] = true
	}
	return nil
}

// file is a file of the suite.
type file struct {
	Fixture  []statement `yaml:"fixture"`
	Category string      `yaml:"category"`
	Kind     Kind        `yaml:"kind"`
	Defaults entry       `yaml:"defaults"` // severity, roles, where, expect, fix
	Checks   []entry     `yaml:"checks"`
}

type statement struct {
	As  string `yaml:"as"`
	SQL string `yaml:"sql"`
}

// entry is a check as it is written. With each, it stands for several: $each in its texts is each of the words.
type entry struct {
	ID       string      `yaml:"id"`
	Each     words       `yaml:"each"`
	Severity string      `yaml:"severity"`
	Roles    words       `yaml:"roles"`
	Where    Place       `yaml:"where"`
	Mode     Mode        `yaml:"mode"`
	Alone    bool        `yaml:"alone"`
	Fresh    bool        `yaml:"fresh"`
	Login    *login      `yaml:"login"`
	Setup    []statement `yaml:"setup"`
	Witness  *statement  `yaml:"witness"`
	SQL      words       `yaml:"sql"`
	Repeat   int         `yaml:"repeat"`
	Expect   words       `yaml:"expect"`
	Want     *string     `yaml:"want"`
	Probe    *probe      `yaml:"probe"`
	Undo     words       `yaml:"undo"`
	Restore  []statement `yaml:"restore"`
	Client   string      `yaml:"client"`
	Requires string      `yaml:"requires"`
	Absent   string      `yaml:"absent"`
	Since    int         `yaml:"since"`
	Until    int         `yaml:"until"`
	Staged   bool        `yaml:"staged"`
	Why      string      `yaml:"why"`
	Fix      string      `yaml:"fix"`
	Limit    string      `yaml:"limit"`
	Detect   string      `yaml:"detect"`
}

type probe struct {
	As     string `yaml:"as"`
	SQL    string `yaml:"sql"`
	Want   string `yaml:"want"`
	Listen string `yaml:"listen"`
}

type login struct {
	User       string            `yaml:"user"`
	Password   string            `yaml:"password"`
	TLS        string            `yaml:"tls"`
	Auth       string            `yaml:"auth"`
	Parameters map[string]string `yaml:"parameters"`
}

// words is one text, or a list of them; a number such as 42501 is its digits.
type words []string

func (w *words) UnmarshalYAML(n *yaml.Node) error {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, n := range nodes {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			return fmt.Errorf("line %d: a text, or a list of texts", n.Line)
		}
		*w = append(*w, n.Value)
	}
	return nil
}

func (f *file) checks() ([]Check, error) {
	var out []Check
	for _, e := range f.Checks {
		variants, err := f.variants(e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.ID, err)
		}
		for _, v := range variants {
			c, err := f.check(v)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.ID, err)
			}
			out = append(out, *c)
		}
	}
	return out, nil
}

// variants gives an entry once for each word of its each, with bounds as in "pg_maintain since 17".
func (f *file) variants(e entry) ([]entry, error) {
	if len(e.Each) == 0 {
		return []entry{e}, nil
	}
	var out []entry
	for _, text := range e.Each {
		word, since, until, reason, err := bounds(text)
		if err != nil {
			return nil, err
		}
		if reason != "" {
			return nil, fmt.Errorf("a word of each has no reason: %q", text)
		}
		put := func(s string) string { return strings.ReplaceAll(s, "$each", word) }
		v := e
		v.Each = nil
		name := strings.ToLower(strings.NewReplacer("/", "-", " ", "-").Replace(word))
		v.ID, v.Why = strings.ReplaceAll(e.ID, "$each", name), put(e.Why)
		v.Fix = put(e.Fix)
		v.SQL, v.Undo = nil, nil
		for _, s := range e.SQL {
			v.SQL = append(v.SQL, put(s))
		}
		for _, s := range e.Undo {
			v.Undo = append(v.Undo, put(s))
		}
		if e.Login != nil {
			l := *e.Login
			l.User, l.Password = put(l.User), put(l.Password)
			l.Parameters = map[string]string{}
			for name, value := range e.Login.Parameters {
				l.Parameters[put(name)] = put(value)
			}
			v.Login = &l
		}
		if e.Requires != "" {
			v.Requires = put(e.Requires)
		}
		v.Absent = put(e.Absent)
		if since > 0 {
			v.Since = since
		}
		if until > 0 {
			v.Until = until
		}
		out = append(out, v)
	}
	return out, nil
}

// bounds reads "WORD", "WORD since 16", "WORD until 16", "WORD if REASON".
func bounds(text string) (word string, since, until int, reason string, err error) {
	word, rest, more := strings.Cut(text, " ")
	if !more {
		return word, 0, 0, "", nil
	}
	key, value, _ := strings.Cut(rest, " ")
	switch key {
	case "if":
		if value != "" {
			return word, 0, 0, value, nil
		}
	case "since", "until":
		n, err := strconv.Atoi(value)
		if err != nil {
			return "", 0, 0, "", fmt.Errorf("%q: a major version stands after %q", text, key)
		}
		if key == "since" {
			return word, n, 0, "", nil
		}
		return word, 0, n, "", nil
	}
	return "", 0, 0, "", fmt.Errorf("%q: what follows the first word is since VERSION, until VERSION or if REASON", text)
}

func (f *file) check(e entry) (*Check, error) {
	d := f.Defaults
	c := &Check{
		ID: e.ID, Kind: f.Kind, Category: f.Category,
		Severity: first(e.Severity, d.Severity), Where: first(e.Where, d.Where, Own), Mode: first(e.Mode, d.Mode, Rollback),
		Alone: e.Alone, Fresh: e.Fresh || d.Fresh, SQL: e.SQL, Repeat: e.Repeat, Undo: e.Undo,
		Client: e.Client, Requires: first(e.Requires, d.Requires), Absent: e.Absent, Since: e.Since, Until: e.Until,
		Staged: e.Staged, Why: e.Why, Fix: first(e.Fix, d.Fix), Limit: e.Limit, Detect: e.Detect,
	}
	if c.Category == "" {
		c.Category, _, _ = strings.Cut(e.ID, "/")
	}
	if e.Login != nil {
		l := Login(*e.Login)
		c.Login = &l
	}
	if e.Witness != nil {
		w := Statement(*e.Witness)
		c.Witness = &w
	}
	if e.Probe != nil {
		p := Probe(*e.Probe)
		c.Probe = &p
	}
	for _, s := range e.Setup {
		c.Setup = append(c.Setup, Statement(s))
	}
	for _, s := range e.Restore {
		c.Restore = append(c.Restore, Statement(s))
	}
	roles := e.Roles
	if len(roles) == 0 {
		roles = d.Roles
	}
	if len(roles) == 0 {
		roles = words{"logins"}
		if c.Where == Own && c.Login == nil && c.Repeat == 0 {
			roles = words{"every"}
		}
	}
	for _, word := range roles {
		group := groups(word)
		if group == nil {
			return nil, fmt.Errorf("no such role: %q", word)
		}
		c.Roles = append(c.Roles, group...)
	}
	// In the order of Roles, each once.
	c.Roles = slices.DeleteFunc(Roles(), func(r string) bool { return !slices.Contains(c.Roles, r) })

	c.Expect.Want = e.Want
	expect := e.Expect
	if len(expect) == 0 && e.Want == nil {
		expect = d.Expect
	}
	for _, text := range expect {
		switch text {
		case "none":
			c.Expect.None = true
		case "ok":
			c.Expect.OK = true
		case "rows":
			c.Expect.Rows = true
		default:
			code, since, until, reason, err := bounds(text)
			if err != nil {
				return nil, err
			}
			c.Expect.States = append(c.Expect.States, State{code, since, until, reason})
		}
	}
	return c, c.validate()
}

var (
	idForm   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9_]+([.-][a-z0-9_]+)*$`)
	codeForm = regexp.MustCompile(`^[0-9A-Z]{5}$`)
)

// validate holds the shape of a check.
func (c *Check) validate() error {
	if !idForm.MatchString(c.ID) {
		return errors.New("an identifier is category/name, in lower case")
	}
	switch c.Kind {
	case Standard, Strict, Control, Inherent:
	default:
		return fmt.Errorf("no such kind: %q", c.Kind)
	}
	if !slices.Contains([]Place{Own, Neighbour, Postgres, Template1, Template0, Platform}, c.Where) {
		return fmt.Errorf("no such place: %q", c.Where)
	}
	if c.Mode != Rollback && c.Mode != Autocommit {
		return fmt.Errorf("no such mode: %q", c.Mode)
	}
	if !slices.Contains([]string{"critical", "high", "medium", "low"}, c.Severity) {
		return fmt.Errorf("no such severity: %q", c.Severity)
	}
	if c.Why == "" {
		return errors.New("it does not say why")
	}
	if len(c.SQL) == 0 && c.Client == "" && (c.Where == Own && c.Login == nil) {
		return errors.New("it tries nothing")
	}
	attack := c.Kind == Standard || c.Kind == Strict
	if attack && c.Fix == "" {
		return errors.New("it does not say what to do when it succeeds")
	}
	if c.Kind == Inherent && (c.Limit == "" || c.Detect == "") {
		return errors.New("what is inherent has a limit, and a query that detects it")
	}
	if err := c.expectation(attack); err != nil {
		return err
	}
	return c.names()
}

func (c *Check) expectation(attack bool) error {
	e := c.Expect
	ways := 0
	for _, one := range []bool{len(e.States) > 0 && !e.None, e.None, e.OK, e.Rows, e.Want != nil} {
		if one {
			ways++
		}
	}
	switch {
	case ways != 1:
		return errors.New("it expects one thing: states, none, ok, rows, or a text in want")
	case attack && (e.Rows || e.Want != nil):
		return errors.New("an attack that gives something is not refused")
	case attack && e.OK && c.Probe == nil:
		return errors.New("an attempt that is accepted needs a probe that shows it had no effect")
	case e.None && slices.ContainsFunc(e.States, func(s State) bool { return s.If == "" }):
		return errors.New("beside none, a state says why it may come instead")
	case attack && e.None && c.Witness == nil:
		return errors.New("an attempt that finds nothing needs a witness that there is something")
	case !attack && (len(e.States) > 0 || e.None):
		return errors.New("what has to succeed expects ok, rows or a text")
	case c.Probe != nil && (c.Probe.SQL == "") == (c.Probe.Listen == ""):
		return errors.New("a probe has either SQL or a channel to listen on")
	case attack && c.Mode == Autocommit && len(c.Undo) == 0 && len(c.Restore) == 0 && !e.OK:
		return errors.New("what commits says how to undo it")
	}
	// Of two states that both may come on one version, all but one say why.
	for major := 15; major <= 18; major++ {
		plain := 0
		for _, s := range e.States {
			if !codeForm.MatchString(s.Code) || s.Code == "00000" {
				return fmt.Errorf("no SQLSTATE of a refusal: %q", s.Code)
			}
			if s.If == "" && (s.Since == 0 || s.Since <= major) && (s.Until == 0 || major <= s.Until) {
				plain++
			}
		}
		if len(e.States) > 0 && !e.None && c.Applies(major) && plain != 1 {
			return fmt.Errorf("%d states without a reason on version %d", plain, major)
		}
	}
	return nil
}

// names holds that all names in its texts are known.
func (c *Check) names() error {
	texts := slices.Concat(c.SQL, c.Undo, []string{c.Detect})
	people := []string{}
	for _, s := range slices.Concat(c.Setup, c.Restore) {
		texts, people = append(texts, s.SQL), append(people, s.As)
	}
	if c.Witness != nil {
		texts, people = append(texts, c.Witness.SQL), append(people, c.Witness.As)
	}
	if c.Probe != nil {
		texts = append(texts, c.Probe.SQL)
		if c.Probe.SQL != "" {
			people = append(people, c.Probe.As)
		}
	}
	if c.Login != nil {
		switch c.Login.Password {
		case "own", "right", "victim", "wrong", "empty":
		default:
			return fmt.Errorf("no such password: %q", c.Login.Password)
		}
		if u := c.Login.User; u != "" && u != "superuser" {
			people = append(people, u)
		}
		for _, value := range c.Login.Parameters {
			texts = append(texts, value)
		}
	}
	for _, p := range people {
		side, role, _ := strings.Cut(p, ".")
		if p != "platform" && p != "me" &&
			((side != "own" && side != "victim") || !slices.Contains(Roles(), role)) {
			return fmt.Errorf("nobody is %q", p)
		}
	}
	known := Names()
	same := func(s string) string { return s }
	for _, text := range texts {
		if strings.Contains(text, "$each") {
			return fmt.Errorf("$each without a list: %q", text)
		}
		_, err := Expand(text, func(n string) (string, bool) { return n, slices.Contains(known, n) }, same, same)
		if err != nil {
			return err
		}
	}
	return nil
}

func first[T comparable](values ...T) T {
	var zero T
	for _, v := range values {
		if v != zero {
			return v
		}
	}
	return zero
}

package cli

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"github.com/charmbracelet/colorprofile"

	"github.com/zavestudios/zave/generator/spec"
)

// canAsk tells whether somebody sits at a terminal that can show questions.
func (a *app) canAsk() bool {
	f, ok := a.stdin.(*os.File)
	return ok && terminalOf(f).is && a.err.is && os.Getenv("TERM") != "dumb"
}

// askTenant asks for what was not given.
func (a *app) askTenant(ctx context.Context, set *spec.Set, o *tenantOptions, given func(flag string) bool) error {
	var first, second, work []huh.Field
	if o.name == "" {
		first = append(first, question("Name", "of the tenant, its directory and its namespace", &o.name, required(set, checkTenantName)))
	}
	if o.description == "" {
		first = append(first, question("Description", "what it is, in one line", &o.description, required(set, checkDescription)))
	}
	if o.team == "" {
		first = append(first, question("Team", "that answers for it, a group of the identity provider", &o.team, required(set, checkName)).
			Suggestions(teams(set)))
	}
	if o.contact == "" {
		first = append(first, question("Contact", "an e-mail address that reaches the team", &o.contact, func(s string) error {
			if s == "" && contactOf(set, o.team) != "" {
				return nil
			}
			return required(set, checkContact)(s)
		}).PlaceholderFunc(func() string { return contactOf(set, o.team) }, &o.team))
	}
	if len(o.clusters) == 0 {
		var options []huh.Option[string]
		for _, c := range set.Platform.Clusters {
			options = append(options, huh.NewOption(c.Name, c.Name))
		}
		second = append(second, huh.NewMultiSelect[string]().Title("Clusters").Description("where it runs; x chooses").
			Options(options...).Height(len(options)+2).Value(&o.clusters).Validate(func(chosen []string) error {
			if len(chosen) == 0 {
				return errors.New("choose at least one, with x")
			}
			return nil
		}))
	}
	if !given("tier") && len(set.Platform.Tiers) > 1 {
		var names []string
		for _, t := range set.Platform.Tiers {
			names = append(names, t.Name)
		}
		second = append(second, selection("Tier", "its quota class", &o.tier, names...))
	}
	groups := pages(first, second)
	if !given("image") {
		groups = append(groups, huh.NewGroup(question("Image", "REPOSITORY:TAG@sha256:DIGEST; empty for a tenant without a workload", &o.image,
			func(s string) error {
				if s == "" {
					return nil
				}
				_, err := o.parsedImage(set, s)
				return plain(err)
			})))
	}
	if !given("runtime") {
		work = append(work, selection("Runtime", "static serves a site that the image holds, on port 8080", &o.runtime, "container", "static"))
	}
	port := ""
	if !given("port") {
		work = append(work, question("Port", "that it serves on; empty for none", &port, func(s string) error {
			if n, err := strconv.Atoi(s); s != "" && (err != nil || n < 1 || n > 65535) {
				return errors.New("a port is a number from 1 to 65535")
			}
			return nil
		}))
	}
	if !given("expose") {
		work = append(work, selection("Expose", "who may reach the port", &o.expose, "none", "internal-http", "public-http", "grpc"))
	}
	for _, g := range pages(work) {
		groups = append(groups, g.WithHideFunc(func() bool { return o.image == "" }))
	}
	host := ""
	if !given("host") {
		groups = append(groups, huh.NewGroup(question("Host", "its public name; empty for NAME.<cluster's domain>", &host, func(s string) error {
			if s == "" {
				return nil
			}
			return plain(checkHost(set, s))
		})).WithHideFunc(func() bool { return o.image == "" || o.expose != "public-http" }))
	}
	database := "no"
	if !given("database") && set.Platform.Database != nil {
		groups = append(groups, huh.NewGroup(selection("Database", "of its own, in the platform's PostgreSQL", &database, "no", "yes")))
	}
	if err := a.ask(ctx, groups...); err != nil {
		return err
	}
	for _, typed := range []*string{&o.name, &o.description, &o.team, &o.contact, &o.image, &port, &host} {
		*typed = strings.TrimSpace(*typed)
	}
	if port != "" {
		o.port, _ = strconv.Atoi(port) // which was validated
	}
	if host != "" && o.expose == "public-http" {
		o.hosts = []string{host}
	}
	o.database = o.database || database == "yes"
	// In the order of the platform, and not of choosing.
	slices.SortFunc(o.clusters, func(x, y string) int {
		at := func(name string) int {
			return slices.IndexFunc(set.Platform.Clusters, func(c spec.Cluster) bool { return c.Name == name })
		}
		return at(x) - at(y)
	})
	return nil
}

// ask shows questions, a page at a time. Whoever interrupts it has interrupted the command.
func (a *app) ask(ctx context.Context, groups ...*huh.Group) error {
	profile, theme := colorprofile.Ascii, huh.ThemeFunc(huh.ThemeBase)
	if a.colored(a.err) {
		profile, theme = colorprofile.ANSI, huh.ThemeFunc(huh.ThemeBase16)
	}
	form := huh.NewForm(groups...).WithTheme(theme).WithWidth(a.err.columns()-2).WithProgramOptions(
		tea.WithInput(a.stdin), tea.WithOutput(a.stages.w), tea.WithColorProfile(profile), tea.WithoutSignalHandler())
	err := form.RunWithContext(ctx)
	if errors.Is(err, huh.ErrUserAborted) || ctx.Err() != nil {
		return context.Canceled
	}
	return err
}

// pages makes a page of each list of questions that is not empty.
func pages(lists ...[]huh.Field) (out []*huh.Group) {
	for _, fields := range lists {
		if len(fields) > 0 {
			out = append(out, huh.NewGroup(fields...))
		}
	}
	return out
}

func question(title, description string, value *string, check func(string) error) *huh.Input {
	return huh.NewInput().Title(title).Description(description).Value(value).Validate(func(s string) error { return check(strings.TrimSpace(s)) })
}

func selection(title, description string, value *string, options ...string) *huh.Select[string] {
	return huh.NewSelect[string]().Title(title).Description(description).Options(huh.NewOptions(options...)...).Value(value)
}

// required makes a check of one that also refuses nothing.
func required(set *spec.Set, check func(*spec.Set, string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return errors.New("it cannot be left empty")
		}
		return plain(check(set, s))
	}
}

// plain puts a refusal and its hint into one line; of one that is too long for a terminal, the half that fits. A page
// with more lines than before is not cleared away whole.
func plain(err error) error {
	const most = 76
	var p *problem
	if !errors.As(err, &p) {
		return err
	}
	for _, text := range []string{p.text + ": " + p.hint, p.text, p.hint} {
		if n := len([]rune(text)); n <= most {
			return errors.New(text)
		}
	}
	return errors.New(string([]rune(p.text)[:most-1]) + "…")
}

func teams(set *spec.Set) (out []string) {
	for _, t := range set.Tenants {
		out = append(out, t.Owner.Team)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

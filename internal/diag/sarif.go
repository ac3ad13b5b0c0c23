package diag

import (
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/dialect"
)

func (p *printer) sarif() {
	log := dialect.NewSARIF(p.opts.Version)
	run := &log.Runs[0]
	rules := p.codes()
	for _, c := range rules {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, p.sarifRule(c))
	}
	prints := fingerprints(p.all)
	for i, d := range p.all {
		index, _ := slices.BinarySearch(rules, d.Code)
		where := dialect.SARIFPlace(d.Span, p.files)
		if name := strings.Trim(d.Tenant+"/"+d.Field, "/"); name != "" {
			where.Logical = []dialect.SARIFName{{FullyQualifiedName: name}}
		}
		r := dialect.SARIFResult{
			RuleID: string(d.Code), RuleIndex: index, Level: d.Severity.String(), Message: dialect.SARIFMessage(message(d)),
			Locations: []dialect.SARIFLocation{where}, Fingerprints: map[string]string{"zave/v1": prints[i]},
		}
		for _, n := range d.Notes {
			text := dialect.SARIFMessage(visible(n.Text))
			if n.Span.IsZero() {
				r.Message.Text += "\nnote: " + text.Text
				continue
			}
			related := dialect.SARIFPlace(n.Span, p.files)
			related.ID, related.Message = len(r.Related)+1, &text
			r.Related = append(r.Related, related)
		}
		run.Results = append(run.Results, r)
	}
	p.w.Write(dialect.JSON(log))
}

// codes are the codes of the diagnostics, sorted, each once.
func (p *printer) codes() []Code {
	var out []Code
	for _, d := range p.all {
		out = append(out, d.Code)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p *printer) sarifRule(c Code) dialect.SARIFRule {
	e, ok := Explain(c)
	if !ok {
		e = Entry{Code: c, Title: string(c), Text: string(c)}
	}
	r := dialect.SARIFRule{
		ID:               string(c),
		ShortDescription: dialect.SARIFText{Text: e.Title},
		FullDescription:  dialect.SARIFText{Text: e.paragraph()},
		Help:             dialect.SARIFText{Text: e.Text, Markdown: e.Text},
		Default:          dialect.SARIFConfiguration{Level: Warning.String()},
	}
	for _, d := range p.all {
		if d.Code == c && d.Severity == Error {
			r.Default.Level = Error.String()
		}
	}
	return r
}

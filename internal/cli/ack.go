package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/diff"
	"github.com/zavestudios/zave/internal/diff/report"
	"github.com/zavestudios/zave/internal/leak"
)

// ackOptions are the flags of ack.
type ackOptions struct {
	diffOptions
	reason string
	prune  bool
}

func (a *app) ackCommand() *cobra.Command {
	var o ackOptions
	cmd := &cobra.Command{
		Use:   "ack OBJECT... [flags]",
		Short: "Acknowledge a dangerous change of an object",
		Long: "Acknowledge that a change destroys OBJECT, so that 'zave diff --fail-on destructive' lets it through. " +
			"OBJECT is Kind/namespace/name or Kind/name, as diff prints it.\n\n" +
			"The acknowledgement is a file in " + diff.AckDir + "/, to be committed with the change. It names the patch " +
			"by its hash: when the change becomes another one, it counts no more, and when the change is merged, it is spent.",
		Example: "  zave ack Namespace/shop --reason 'moved to the new cluster'\n" +
			"  zave ack PersistentVolumeClaim/shop/data --cluster prod\n" +
			"  zave ack --prune   remove those that acknowledge nothing any more",
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.prune && len(args) > 0:
				return usage(cmd, "--prune goes by what is acknowledged, and takes no object")
			case !o.prune && len(args) == 0:
				return usage(cmd, "'%s' takes objects: Kind/namespace/name or Kind/name", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.prune {
				return a.pruneAcks(cmd.Context(), o)
			}
			return a.ack(cmd.Context(), args, o)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.reason, "reason", "", "why it is wanted: `TEXT` that stands in the file and in the report")
	f.StringSliceVar(&o.clusters, "cluster", nil, "only on `CLUSTER`; may be repeated")
	f.StringVar(&o.base, "base", "", "compare with the revision `BASE`, by default as 'zave diff' does")
	f.StringVar(&o.main, "main", "", "the main `BRANCH`, by default the remote's HEAD, main or master")
	failOnFlag(cmd, &o.failOn)
	f.Lookup("fail-on").Usage = "acknowledge what is of these `CLASSES`, by default destructive"
	f.BoolVar(&o.prune, "prune", false, "remove acknowledgements that acknowledge nothing any more")
	a.completeNames(cmd, false)
	return cmd
}

func (a *app) ack(ctx context.Context, objects []string, o ackOptions) error {
	if len(o.failOn) == 0 {
		o.failOn = []report.Class{report.Destructive}
	}
	d, err := a.compared(ctx, o.diffOptions)
	if err != nil {
		return err
	}
	r := d.report
	var all []int
	for _, object := range objects { // nothing is written unless all of them are right
		found, blocking, passed := acknowledgeable(r, object, o.failOn)
		switch {
		case len(found) == 0:
			return &problem{
				exit: exitInput, text: fmt.Sprintf("%q does not change%s", object, didYouMean(object, refs(r))),
				hint: "run 'zave diff' for what does",
			}
		case len(blocking) == 0 && len(passed) > 0:
			a.say("%s is let through already: %s", object, diag.Visible(passed[0]))
		case len(blocking) == 0:
			return &problem{
				exit: exitInput, text: fmt.Sprintf("nothing of what happens to %s is %s: there is nothing to acknowledge",
					object, classNames(o.failOn)),
			}
		}
		all = append(all, blocking...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, i := range all {
		ack := diff.NewAck(r.Changes[i], leak.Mask(o.reason))
		if err := writeAck(ack); err != nil {
			return err
		}
		a.say("wrote %s: commit it with the change", a.shown(ack.File))
	}
	if rest := others(r, all, o.failOn); len(rest) > 0 {
		a.say("what happens to it happens to these too, which are not acknowledged: %s", strings.Join(rest, " "))
	}
	return nil
}

// others lists the objects that stand with acknowledged ones in one consequence, and are not acknowledged.
func others(r *report.Report, acknowledged []int, failOn []report.Class) (out []string) {
	for _, q := range r.Consequences {
		for _, s := range q.Subjects {
			touched := slices.ContainsFunc(s.Changes, func(i int) bool { return slices.Contains(acknowledged, i) })
			if !slices.Contains(failOn, q.Class) || s.Pass != "" || !touched {
				continue
			}
			for _, i := range s.Keys() {
				if !slices.Contains(acknowledged, i) {
					out = append(out, r.Changes[i].Ref())
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// acknowledgeable gives the changes of an object, those of them that a policy stops at, and why others are let through.
func acknowledgeable(r *report.Report, object string, failOn []report.Class) (found, blocking []int, passed []string) {
	for i, c := range r.Changes {
		if strings.EqualFold(c.Ref(), object) || c.Action == report.Rename && strings.EqualFold(report.Ref(c.From), object) {
			found = append(found, i)
		}
	}
	for _, q := range r.Consequences {
		if !slices.Contains(failOn, q.Class) {
			continue
		}
		for _, s := range q.Subjects {
			for _, i := range s.Changes {
				switch {
				case !slices.Contains(found, i):
				case s.Pass != "":
					passed = append(passed, s.Pass)
				case !slices.Contains(blocking, i):
					blocking = append(blocking, i)
				}
			}
		}
	}
	slices.Sort(blocking)
	return found, blocking, passed
}

// refs lists the objects that change, sorted.
func refs(r *report.Report) (out []string) {
	for _, c := range r.Changes {
		out = append(out, c.Ref())
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func classNames(classes []report.Class) string {
	var words []string
	for _, c := range classes {
		words = append(words, string(c))
	}
	return alternatives(words)
}

// writeAck writes an acknowledgement, in place of one of the same change.
func writeAck(ack diff.Ack) error {
	name := filepath.FromSlash(ack.File)
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	return os.WriteFile(name, ack.Encode(), 0o666)
}

func (a *app) pruneAcks(ctx context.Context, o ackOptions) error {
	o.clusters = nil // a file is of no cluster
	d, err := a.compared(ctx, o.diffOptions)
	if err != nil {
		return err
	}
	for _, file := range d.report.Stale {
		if err := os.Remove(filepath.FromSlash(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		a.say("removed %s", a.shown(file))
	}
	if len(d.report.Stale) == 0 {
		a.say("every acknowledgement counts")
	}
	_ = os.Remove(diff.AckDir) // if it is empty
	return nil
}

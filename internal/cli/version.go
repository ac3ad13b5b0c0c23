package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/zavestudios/zave/generator/label"
)

const (
	version  = "0.1.0"
	released = "2026-11" // the month of that version, which stands at the foot of the manual pages
	issues   = "https://github.com/zavestudios/zave/issues"
)

// buildInfo is what this binary is.
type buildInfo struct {
	Version   string `json:"version"`
	Generator string `json:"generator"` // the version of the output
	Go        string `json:"go"`
	Platform  string `json:"platform"`
	Commit    string `json:"commit,omitempty"`
	Modified  bool   `json:"modified,omitempty"` // the work tree was not that commit's
}

func (a *app) buildInfo() buildInfo {
	b := buildInfo{
		Version: version, Generator: label.GeneratorVersion,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// String gives "zave 0.1.0 (generator 0.1, go1.26.8, linux/amd64, commit 1a2b3c4d5e6f)".
func (b buildInfo) String() string {
	s := fmt.Sprintf("zave %s (generator %s, %s, %s", b.Version, b.Generator, b.Go, b.Platform)
	if b.Commit != "" {
		s += ", commit " + b.Commit[:min(12, len(b.Commit))]
	}
	if b.Modified {
		s += ", modified"
	}
	return s + ")"
}

func (a *app) versionCommand() *cobra.Command {
	format := "text"
	cmd := &cobra.Command{
		Use:   "version [flags]",
		Short: "Print the version",
		Long: "Print the versions of zave, of the output it generates, and of the Go it was built with. The generator's " +
			"version moves when the same specs compile to something else.",
		Args:                  noArgs(""),
		DisableFlagsInUseLine: true,
		RunE: func(*cobra.Command, []string) error {
			b := a.buildInfo()
			text := b.String()
			if format == "json" {
				data, err := json.Marshal(b)
				if err != nil {
					return err
				}
				text = string(data)
			}
			_, err := io.WriteString(a.stdout, text+"\n")
			return err
		},
	}
	formats := []string{"text", "json"}
	cmd.Flags().Var(&choice{&format, "FORMAT", formats}, "format", "how to print it: text or json")
	complete(cmd, "format", func(string) []string { return formats })
	return cmd
}

package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a completion script for a shell",
		Long:  "Print the script that makes a shell complete commands, flags, clusters, tenants and codes.",
		Example: "  zave completion bash > /etc/bash_completion.d/zave\n" +
			"  zave completion zsh > \"${fpath[1]}/_zave\"\n" +
			"  zave completion fish > ~/.config/fish/completions/zave.fish",
		ValidArgs:             shells,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "'%s' takes one shell: bash, zsh or fish", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return usage(cmd, "there is no completion for %q%s", args[0], didYouMean(args[0], shells))
		},
	}
}

// docsCommand is for whoever packages zave, and hidden from everybody else.
func (a *app) docsCommand() *cobra.Command {
	docs := &cobra.Command{Use: "docs", Short: "Write documentation", Hidden: true, Args: cobra.ArbitraryArgs}
	docs.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return noCommand(cmd, args[0])
		}
		return usage(cmd, "'%s' needs the kind of documentation: man", cmd.CommandPath())
	}
	docs.AddCommand(&cobra.Command{
		Use:   "man DIR",
		Short: "Write the manual pages",
		Long:  "Write a manual page for every command to a directory, which is made if it does not exist.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(cmd, "'%s' takes one directory", cmd.CommandPath())
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			// Without a date of ours cobra would take the clock's.
			date, err := time.Parse("2006-01", released)
			if err != nil {
				return err
			}
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			header := &doc.GenManHeader{Section: "1", Date: &date, Source: fmt.Sprintf("zave %s", version), Manual: "zave"}
			return doc.GenManTree(cmd.Root(), header, args[0])
		},
	})
	return docs
}

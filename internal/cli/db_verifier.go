package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/zavestudios/zave/internal/postgres"
)

func (a *app) dbVerifierCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verifier [FILE]",
		Short: "Make the verifier of a password",
		Long: "Read a password from a file, or from stdin without one, and print its SCRAM-SHA-256 verifier (RFC 5802): what " +
			"PostgreSQL stores in its place, and what the script of 'zave db sql --psql' takes. Whoever has the verifier " +
			"cannot log in with it, but can try guesses, so keep it as you keep passwords. A newline at the end is not part of " +
			"the password. On a terminal it is asked for, and not shown.",
		Example: "  zave db verifier < app > app-verifier\n" +
			"  APP_VERIFIER=$(zave db verifier credentials/shop/app)",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(cmd, "'%s' takes one file, and here are %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		DisableFlagsInUseLine: true,
		RunE: func(_ *cobra.Command, args []string) error {
			password, err := a.readPassword(args)
			if err != nil {
				return err
			}
			verifier, err := postgres.NewVerifier(password)
			if err != nil {
				return &problem{exit: exitInput, text: err.Error()}
			}
			_, err = fmt.Fprintln(a.stdout, verifier)
			return err
		},
	}
}

// readPassword reads the password from the named file, the terminal or stdin.
func (a *app) readPassword(args []string) (string, error) {
	if len(args) == 1 {
		return passwordFrom("", args[0])
	}
	if in, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		fmt.Fprint(a.stderr, "Password: ")
		data, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(a.stderr)
		return string(data), err
	}
	if a.stdin == nil {
		return "", nil
	}
	data, err := io.ReadAll(io.LimitReader(a.stdin, postgres.MaxPassword+3)) // what is longer is refused, and not read to its end
	if err != nil {
		return "", fmt.Errorf("read the password from stdin: %w", err)
	}
	password, cut := strings.CutSuffix(string(data), "\n")
	if cut {
		password = strings.TrimSuffix(password, "\r")
	}
	return password, nil
}

// passwordFrom reads a file that holds one password; the flag is empty for an argument.
func passwordFrom(flag, name string) (string, error) {
	password, err := postgres.ReadPassword(name)
	if err == nil {
		return password, nil
	}
	text := fmt.Sprintf("%s cannot be used: %v", name, innermost(err))
	if flag != "" {
		text = flag + ": " + text
	}
	return "", &problem{exit: exitInput, text: text, hint: "the file holds one password, and nobody but its owner and group may read it"}
}

// innermost gives a file's error without the file's name, which stands in the sentence around it.
func innermost(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

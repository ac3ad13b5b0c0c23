package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"zave": main})
}

// TestScript runs testdata/script/*.txtar with the real binary. Each begins beside a directory repo, which is
// testdata/estate with the script's own files over it: tenants shop, on dev and prod, and blog, on dev.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files:               scripts(t, false),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
		Cmds:                commands(nil),
	})
}

// commands are those of every script, and more.
func commands(more map[string]func(*testscript.TestScript, bool, []string)) map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){
		"code":      code,
		"edit":      edit,
		"edit-hash": editHash,
		"env-from":  envFrom,
		"forge":     forge,
		"githttp":   githttp,
		"gitssh":    gitssh,
		"gnupg":     gnupg,
		"large":     large,
		"snap":      snap,
		"sshagent":  sshagent,
		"webpage":   webpage,
	}
	maps.Copy(all, more)
	return all
}

func setup(env *testscript.Env) error {
	repo := filepath.Join(env.WorkDir, "repo")
	if err := merge(repo, os.DirFS(filepath.Join("testdata", "estate"))); err != nil {
		return err
	}
	home := filepath.Join(env.WorkDir, ".home")
	env.Setenv("HOME", home)
	env.Setenv("XDG_CACHE_HOME", filepath.Join(home, ".cache"))
	env.Setenv("TERM", "xterm")
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		env.Setenv("GIT_"+who+"_NAME", "Script")
		env.Setenv("GIT_"+who+"_EMAIL", "script@example.com")
	}
	env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	env.Values[forgeKey{}] = &forgeHolder{}
	module, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return err
	}
	env.Setenv("MODULE", module)
	return os.MkdirAll(home, 0o777)
}

// merge copies the files that are not there yet.
func merge(dir string, files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o666)
	})
}

// condition adds [root], for who may write anywhere.
func condition(cond string) (bool, error) {
	if cond == "root" {
		return os.Geteuid() == 0, nil
	}
	return false, errors.New("unknown condition")
}

// code runs a command and holds its exit code against the first argument: code 2 zave biuld. "! exec" takes any.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command [args...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = string(rune('0' + exit.ExitCode()))
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// edit replaces one text by another in files, each of which has it: edit OLD NEW FILE...
func edit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: edit OLD NEW FILE...")
	}
	for _, name := range args[2:] {
		text := ts.ReadFile(name)
		if !strings.Contains(text, args[0]) {
			ts.Fatalf("%s does not hold %q", name, args[0])
		}
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o666))
	}
}

// large writes a file of so many megabytes: large N FILE.
func large(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: large N FILE")
	}
	n := 0
	for _, c := range args[0] {
		n = n*10 + int(c-'0')
	}
	line := "// " + strings.Repeat("x", 60) + "\n"
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.Repeat(line, n*(1<<20)/len(line)+1)), 0o666))
}

// snap writes what there is below a directory into a file, with times and modes, for cmp: snap DIR FILE.
func snap(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: snap DIR FILE")
	}
	var b strings.Builder
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		b.WriteString(name + " " + info.ModTime().Format("15:04:05.000000000") + " " + info.Mode().String() + "\n")
		return nil
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b.String()), 0o666))
}

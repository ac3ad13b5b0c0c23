package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// lay writes files below a new directory, with their modes.
func lay(t *testing.T, files map[string]string, modes map[string]os.FileMode) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if mode, ok := modes[name]; ok {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

func credentialFiles() map[string]string {
	return map[string]string{
		"alpha/app": "s3cret-app\n", "alpha/migrator": "s3cret-migrator", "alpha/readonly": "s3cret-readonly\r\n",
		"alpha/backup": " s3cret backup ", "alpha/else": "", "beta/app": "",
	}
}

func TestReadCredentials(t *testing.T) {
	modes := map[string]os.FileMode{"alpha/app": 0o440, "alpha/backup": 0o400}
	got, err := ReadCredentials(lay(t, credentialFiles(), modes), estate("alpha").Tenants)
	if err != nil {
		t.Fatal(err)
	}
	want := Credentials{
		"alpha_app": "s3cret-app", "alpha_migrator": "s3cret-migrator", "alpha_readonly": "s3cret-readonly",
		"alpha_backup": " s3cret backup ",
	}
	if len(got) != len(want) {
		t.Errorf("got %d credentials, want %d", len(got), len(want))
	}
	for role, password := range want {
		if got[role] != password {
			t.Errorf("%s: got %q, want %q", role, got[role], password)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%s", "%#v", "%q"} {
		if text := fmt.Sprintf(verb, got); strings.Contains(text, "s3cret") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// TestSecretMount reads a directory as Kubernetes mounts a Secret: links to a directory that is swapped.
func TestSecretMount(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{"app", "migrator", "readonly", "backup"} {
		files["alpha/..2026_11_24/"+name] = "s3cret-" + name
	}
	dir := lay(t, files, nil)
	if err := os.Symlink("..2026_11_24", filepath.Join(dir, "alpha", "..data")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app", "migrator", "readonly", "backup"} {
		if err := os.Symlink("..data/"+name, filepath.Join(dir, "alpha", name)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadCredentials(dir, estate("alpha").Tenants)
	if err != nil || got["alpha_backup"] != "s3cret-backup" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestReadCredentialsRefuses(t *testing.T) {
	type files = map[string]string
	type modes = map[string]os.FileMode
	put := func(name, content string) func(files, modes) {
		return func(f files, _ modes) { f[name] = content }
	}
	without := func(f files, _ modes) { delete(f, "alpha/backup") }
	same := func(files, modes) {}
	for name, c := range map[string]struct {
		change func(files, modes)
		tenant string
		want   string
	}{
		"missing file": {without, "", "alpha/backup: no such file"},
		"empty file":   {put("alpha/app", ""), "", "alpha/app: the password is empty"},
		"a line break": {put("alpha/app", "\n"), "", "alpha/app: the password is empty"},
		"two lines":    {put("alpha/app", "s3cret\nmore\n"), "", "control character"},
		"too long":     {put("alpha/app", strings.Repeat("s3cret", 999)), "", "longer than"},
		"open to all": {
			func(_ files, m modes) { m["alpha/app"] = 0o604 }, "",
			"alpha/app: everybody on the machine has access to it (mode 0604)",
		},
		"a directory": {
			func(f files, m modes) { delete(f, "alpha/app"); put("alpha/app/x", "")(f, m) }, "",
			"alpha/app: it is no regular file",
		},
		"no such tenant":    {same, "gamma", "4 credentials cannot be used"},
		"a name with paths": {same, "../alpha", `"../alpha" is no name of a directory`},
		"all that is wrong": {
			func(f files, m modes) { put("alpha/app", "")(f, m); without(f, m) }, "",
			"2 credentials",
		},
	} {
		t.Run(name, func(t *testing.T) {
			files, modes := credentialFiles(), map[string]os.FileMode{}
			c.change(files, modes)
			want := estate("alpha")
			if c.tenant != "" {
				want.Tenants[0].Name = c.tenant
			}
			got, err := ReadCredentials(lay(t, files, modes), want.Tenants)
			if err == nil {
				t.Fatalf("got %v", got)
			}
			var p *Problem
			if !errors.As(err, &p) || !p.Input || p.Hint == "" || !strings.Contains(p.Text, c.want) {
				t.Errorf("got %v, want a Problem of the input with %q", err, c.want)
			}
			if strings.Contains(fmt.Sprintf("%v %+v", err, p), "s3cret") {
				t.Errorf("a password is in %v", err)
			}
		})
	}
	nowhere := filepath.Join(t.TempDir(), "nowhere")
	file := filepath.Join(lay(t, credentialFiles(), nil), "alpha", "app")
	for _, dir := range []string{nowhere, file} {
		_, err := ReadCredentials(dir, []state.Tenant{tenant("alpha")})
		var p *Problem
		if !errors.As(err, &p) || !strings.Contains(p.Text, "cannot be read") {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

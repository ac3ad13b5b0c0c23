// Command gen writes schemas.zip and README.md, the catalogue of JSON schemas that package schemas embeds, from the
// OpenAPI documents and CustomResourceDefinitions in the Go modules below.
//
// It stands in a module of its own, so that controller-gen and the API modules it reads never enter the product's
// go.mod. Run it with "go generate ./internal/check/schemas"; the result depends on the versions below, on this
// module's go.mod and on the Go toolchain's deflate, and on nothing else.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// source is one module to read schemas from.
type source struct {
	module, version string
	swagger         string   // an OpenAPI 2 document of a Kubernetes release
	crds            string   // a file, or a folder, of CustomResourceDefinitions
	packages        []string // Go packages that controller-gen makes CustomResourceDefinitions of
	licence         string
}

// sources holds the newest patch of each Kubernetes minor first, oldest minor first.
func sources() []source {
	const apache = "Apache-2.0"
	kubernetes := func(version string) source {
		return source{module: "k8s.io/kubernetes", version: version, swagger: "api/openapi-spec/swagger.json", licence: apache}
	}
	crds := func(module, version, path string) source {
		return source{module: module, version: version, crds: path, licence: apache}
	}
	types := func(module, version string, packages ...string) source {
		return source{module: module, version: version, packages: packages, licence: apache}
	}
	return []source{
		kubernetes("v1.34.4"),
		kubernetes("v1.35.4"),
		kubernetes("v1.36.3"),
		crds("github.com/fluxcd/kustomize-controller", "v1.9.5", "config/crd/bases"),
		crds("github.com/fluxcd/source-controller", "v1.9.5", "config/crd/bases"),
		types("github.com/fluxcd/helm-controller/api", "v1.6.5", "v2"),
		types("github.com/fluxcd/notification-controller/api", "v1.9.4", "v1", "v1beta3"),
		types("github.com/fluxcd/image-automation-controller/api", "v1.2.5", "v1"),
		types("github.com/fluxcd/image-reflector-controller/api", "v1.2.5", "v1"),
		crds("github.com/argoproj/argo-cd/v3", "v3.2.11", "manifests/crds"),
		crds("istio.io/api", "v1.31.1", "kubernetes/customresourcedefinitions.gen.yaml"),
		crds("github.com/external-secrets/external-secrets", "v1.3.2", "config/crds/bases"),
		crds("github.com/prometheus-operator/prometheus-operator", "v0.85.0", "example/prometheus-operator-crd"),
		crds("github.com/cert-manager/cert-manager", "v1.21.2", "deploy/crds"),
		crds("sigs.k8s.io/gateway-api", "v1.6.3", "config/crd/standard"),
	}
}

func main() {
	out := "."
	if len(os.Args) > 1 {
		out = os.Args[1]
	}
	if err := run(out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	a := newArchive()
	var meta map[string]any // ObjectMeta of the newest Kubernetes, which every custom resource's metadata is
	for _, s := range sources() {
		fmt.Fprintf(os.Stderr, "%s@%s\n", s.module, s.version)
		var kinds []kind
		var err error
		switch {
		case s.swagger != "":
			kinds, meta, err = builtins(s)
		case s.crds != "":
			kinds, err = resources(s, meta)
		default:
			kinds, err = generated(s, meta)
		}
		if err == nil && len(kinds) == 0 {
			err = errors.New("no kinds in it")
		}
		if err == nil {
			err = a.add(s, kinds)
		}
		if err != nil {
			return fmt.Errorf("%s@%s: %w", s.module, s.version, err)
		}
	}
	return a.write(out)
}

// download gives the folder of a module's files. The go command checks them against the checksum database.
func download(s source) (string, error) {
	text, err := command("go", "mod", "download", "-json", s.module+"@"+s.version)
	if err != nil {
		return "", err
	}
	var m struct{ Dir, Error string }
	if err := json.Unmarshal(text, &m); err != nil {
		return "", err
	}
	if m.Error != "" {
		return "", errors.New(m.Error)
	}
	return m.Dir, nil
}

func builtins(s source) ([]kind, map[string]any, error) {
	dir, err := download(s)
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(s.swagger)))
	if err != nil {
		return nil, nil, err
	}
	minor := strings.Join(strings.Split(strings.TrimPrefix(s.version, "v"), ".")[:2], ".")
	return fromSwagger(text, minor)
}

func resources(s source, meta map[string]any) ([]kind, error) {
	dir, err := download(s)
	if err != nil {
		return nil, err
	}
	return readCRDs(filepath.Join(dir, filepath.FromSlash(s.crds)), meta)
}

// generated runs controller-gen, at the version in go.mod, over packages that go.mod requires.
func generated(s source, meta map[string]any) ([]kind, error) {
	version, err := command("go", "list", "-m", "-f", "{{.Version}}", s.module)
	if err != nil {
		return nil, err
	}
	if got := strings.TrimSpace(string(version)); got != s.version {
		return nil, fmt.Errorf("go.mod requires %s", got)
	}
	dir, err := os.MkdirTemp("", "crds")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	args := []string{"tool", "controller-gen", "crd"}
	for _, p := range s.packages {
		args = append(args, "paths="+s.module+"/"+p)
	}
	if _, err := command("go", append(args, "output:crd:dir="+dir)...); err != nil {
		return nil, err
	}
	return readCRDs(dir, meta)
}

func command(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", cmd, err, text, stderr.Bytes())
	}
	return text, nil
}

// readCRDs converts the CustomResourceDefinitions in a file, or in the .yaml files of a folder.
func readCRDs(path string, meta map[string]any) ([]kind, error) {
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
			return nil, err
		}
		slices.Sort(files)
	}
	var kinds []kind
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		for _, document := range strings.Split("\n"+string(text), "\n---") {
			var crd customResource
			if err := yaml.Unmarshal([]byte(document), &crd); err != nil {
				return nil, fmt.Errorf("%s: %w", filepath.Base(f), err)
			}
			if crd.Kind == "CustomResourceDefinition" {
				kinds = append(kinds, fromCRD(crd, meta)...)
			}
		}
	}
	return kinds, nil
}

package cli

import (
	"crypto/sha256"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zavestudios/zave/internal/load"
	"github.com/zavestudios/zave/internal/reuse"
	"github.com/zavestudios/zave/internal/tree"
)

// memory is what is remembered of the last build with the same options. The zero memory knows nothing.
type memory struct {
	reuse.Memory
	program string // what has to be the same, beside the specs
	fixed   string // the output directory, if it was given; else the specs say it, and paths begin with it
}

// lastBuild gives that memory, and the digest of the specs as they are. What cannot be known is not fresh, and whoever
// compiles next meets the same error with more to say about it.
func lastBuild(out output, o buildOptions) (memory, []byte) {
	if o.noCache {
		return memory{}, nil
	}
	program, err := reuse.Executable()
	if err != nil {
		return memory{}, nil
	}
	digest, err := load.Digest(".", load.Options{})
	if err != nil {
		return memory{}, nil
	}
	base := "."
	if out.dir != "" {
		base = out.dir
	}
	slices.Sort(o.clusters)
	slices.Sort(o.tenants)
	options := slices.Concat([]string{out.dir, "--cluster"}, o.clusters, []string{"--tenant"}, o.tenants)
	return memory{reuse.For("", ".", base, options...), program, out.dir}, digest
}

// key is the digest of all that the tree is a function of.
func (m memory) key(digest []byte) []byte {
	sum := sha256.Sum256(append([]byte(m.program+"\n"), digest...))
	return sum[:]
}

// fresh tells whether the tree is still that of the last build, where it is, and how many files it has.
func (m memory) fresh(digest []byte) (dir string, files int, ok bool) {
	if digest == nil {
		return "", 0, false
	}
	paths, ok := m.Fresh(m.key(digest))
	if !ok {
		return "", 0, false
	}
	dir = m.fixed
	if dir == "" {
		i := slices.IndexFunc(paths, func(p string) bool { return strings.HasSuffix(p, "/"+tree.IndexPath) })
		if i < 0 {
			return "", 0, false
		}
		dir = filepath.FromSlash(strings.TrimSuffix(paths[i], "/"+tree.IndexPath))
	}
	return dir, len(paths), true
}

func (m memory) remember(digest []byte, dir string, paths []string) {
	if m.fixed == "" {
		for i, p := range paths {
			paths[i] = path.Join(filepath.ToSlash(dir), p)
		}
	}
	m.Remember(m.key(digest), paths)
}

package load

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/diag"
	"github.com/zavestudios/zave/internal/reuse"
)

// Hasher is a file system that knows its files' content without reading it, as git does. Files with equal hashes have
// equal bytes. Anything but a regular file has none.
type Hasher interface {
	Hash(name string) (hash string, ok bool)
}

// digest is a SHA-256.
type digest = [sha256.Size]byte

// Cache keeps the specs that were loaded without a mistake, by all that they were made from: for another Load in this
// process, and in a file for the next one. It is never the truth: what is missing or damaged is evaluated again, and
// with no cache at all the result is the same. It may be used by several goroutines.
type Cache struct {
	store  reuse.Store
	codecs codecs

	mu      sync.Mutex
	specs   map[digest]*cached  // by input
	imports map[digest][]string // of packages, by their own files: directories
	content map[string]*known   // files, by what a Hasher says of them
	fresh   bool                // there is something that the file does not have
}

// cached is one spec, as text, as a value, or both.
type cached struct {
	own  digest // of the files of its own directory
	text string
	result
	age int // in saves since it was asked for
}

// known is a file whose bytes need not be read.
type known struct {
	sum digest
	age int
}

// oldest is the age at which what nobody has asked for is dropped: specs as they were some commits ago, or are on other
// branches.
const oldest = 50

// NewCache reads the file that a store keeps. The zero store keeps nothing.
func NewCache(store reuse.Store) *Cache {
	c := &Cache{store: store, codecs: newCodecs()}
	body, ok := store.Read()
	if !ok || !c.parse(string(body)) {
		c.clear()
	}
	return c
}

func (c *Cache) clear() {
	c.specs, c.imports, c.content = map[digest]*cached{}, map[digest][]string{}, map[string]*known{}
}

// parse reads what encode writes. Everything is a save older than it was.
func (c *Cache) parse(text string) bool {
	c.clear()
	r := &packed{text: text}
	for range r.count() {
		e := &cached{own: r.sum(), age: r.age()}
		input := r.sum()
		imports := make([]string, r.count())
		for i := range imports {
			imports[i] = r.string()
		}
		if e.text = r.string(); r.bad {
			return false
		}
		c.specs[input], c.imports[e.own] = e, imports
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		hash := r.string()
		c.content[hash] = &known{r.sum(), r.age()}
	}
	return !r.bad && r.text == ""
}

func (r *packed) age() int { return int(min(r.uint(), oldest)) + 1 }

// sum reads a digest.
func (r *packed) sum() (out digest) {
	if len(r.text) < len(out) {
		r.fail()
		return out
	}
	copy(out[:], r.text)
	r.text = r.text[len(out):]
	return out
}

// Save writes the file anew, if there is something that it does not have. Of a nil Cache there is none.
func (c *Cache) Save() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fresh {
		c.store.Write(c.encode())
		c.fresh = false
	}
}

// encode gives what has not become too old, and of that no more than fits, the newest first.
func (c *Cache) encode() []byte {
	inputs := make([]digest, 0, len(c.specs))
	for input, e := range c.specs {
		if e.age <= oldest {
			inputs = append(inputs, input)
		}
	}
	slices.SortFunc(inputs, func(a, b digest) int {
		return cmp.Or(cmp.Compare(c.specs[a].age, c.specs[b].age), slices.Compare(a[:], b[:]))
	})
	size, n := 0, 0
	for _, input := range inputs {
		e := c.specs[input]
		if e.text == "" {
			e.text = c.pack(e.result)
		}
		if size += len(e.text) + 2*len(input) + 64; size > reuse.MaxStore/2 {
			break
		}
		n++
	}
	b := binary.AppendUvarint(make([]byte, 0, size+len(c.content)*80), uint64(n))
	for _, input := range inputs[:n] {
		e := c.specs[input]
		b = append(b, e.own[:]...)
		b = binary.AppendUvarint(b, uint64(e.age))
		b = append(b, input[:]...)
		b = binary.AppendUvarint(b, uint64(len(c.imports[e.own])))
		for _, dir := range c.imports[e.own] {
			b = packString(b, dir)
		}
		b = packString(b, e.text)
	}
	var hashes []string
	for hash, k := range c.content {
		if k.age <= oldest {
			hashes = append(hashes, hash)
		}
	}
	slices.Sort(hashes)
	b = binary.AppendUvarint(b, uint64(len(hashes)))
	for _, hash := range hashes {
		k := c.content[hash]
		b = append(packString(b, hash), k.sum[:]...)
		b = binary.AppendUvarint(b, uint64(k.age))
	}
	return b
}

// digestOf gives the digest of a file that was read before.
func (c *Cache) digestOf(hash string) (digest, bool) {
	if c == nil || hash == "" {
		return digest{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.content[hash]
	if k == nil {
		return digest{}, false
	}
	k.age = 0
	return k.sum, true
}

// learn keeps the digest of a file that was read and has no fault.
func (c *Cache) learn(hash string, sum digest) {
	if c == nil || hash == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.content[hash], c.fresh = &known{sum: sum}, true
}

// importsOf gives what a package of these files imports of the repository's own, if that is known.
func (c *Cache) importsOf(own digest) ([]string, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	dirs, ok := c.imports[own]
	return dirs, ok
}

// get gives the spec that was made from this. It may have been damaged: then there is none.
func (c *Cache) get(j job, input digest) (result, bool) {
	c.mu.Lock()
	e := c.specs[input]
	c.mu.Unlock() // specs are many, and read on several processors; that one is read twice does no harm
	if e == nil {
		return result{}, false
	}
	out := e.result
	if out.tenant == nil && out.platform == nil {
		var ok bool
		if out, ok = c.unpack(j, e.text); !ok {
			return result{}, false
		}
	}
	if out.tenant != nil && (j.tenant == "" || out.tenant.Name != j.tenant) || out.platform != nil && j.tenant != "" {
		return result{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.result, e.age = out, 0
	return out, true
}

// put keeps a spec that has no mistakes.
func (c *Cache) put(own, input digest, imports []string, r result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.specs[input], c.imports[own], c.fresh = &cached{own: own, result: r}, imports, true
}

// pack writes one spec.
func (c *Cache) pack(r result) string {
	if r.platform != nil {
		b := c.codecs.platform.append(nil, reflect.ValueOf(r.platform).Elem())
		return string(r.platform.Positions.(*positions).pack(b))
	}
	b := c.codecs.tenant.append(nil, reflect.ValueOf(r.tenant).Elem())
	return string(r.tenant.Positions.(*positions).pack(b))
}

// unpack reads what pack writes.
func (c *Cache) unpack(j job, text string) (result, bool) {
	r := &packed{text: text}
	var out result
	if j.tenant == "" {
		out.platform = &spec.Platform{}
		c.codecs.platform.read(r, reflect.ValueOf(out.platform).Elem())
		out.platform.Positions = r.positions()
	} else {
		out.tenant = &spec.Tenant{}
		c.codecs.tenant.read(r, reflect.ValueOf(out.tenant).Elem())
		out.tenant.Positions = r.positions()
	}
	return out, !r.bad && r.text == ""
}

// results gives every job's: those of the cache, and the others compiled. Inputs are by directory; without a cache
// there are none.
func (r *repository) results(ctx context.Context, jobs []job, opts Options) ([]result, map[string]digest, error) {
	c := opts.Cache
	if c == nil {
		out, err := r.compile(ctx, jobs, opts.Workers)
		return out, nil, err
	}
	in := &inputs{repository: r, cache: c, own: map[string]digest{}, imports: map[string][]string{}}
	all := make(map[string]digest, len(jobs))
	for _, j := range jobs {
		if j.definition == "" || r.troubled(j) {
			continue
		}
		input, ok, err := in.of(j.dir.path)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			all[j.dir.path] = input
		}
	}
	out, found := make([]result, len(jobs)), make([]bool, len(jobs))
	each(len(jobs), opts.Workers, func(i int) {
		if input, ok := all[jobs[i].dir.path]; ok && jobs[i].definition != "" {
			out[i], found[i] = c.get(jobs[i], input)
		}
	})
	var left []job
	var at []int
	for i, j := range jobs {
		if found[i] {
			continue
		}
		left, at = append(left, j), append(at, i)
		if err := in.fill(j.dir.path); err != nil {
			return nil, nil, err
		}
	}
	made, err := r.compile(ctx, left, opts.Workers)
	if err != nil {
		return nil, nil, err
	}
	for k, i := range at {
		out[i] = made[k]
		dir := jobs[i].dir.path
		if input, ok := all[dir]; ok && jobs[i].definition != "" && len(made[k].diags) == 0 {
			c.put(in.own[dir], input, in.imports[dir], made[k])
		}
	}
	return out, all, nil
}

// each calls f for 0…n-1, some at a time.
func each(n, workers int, f func(i int)) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	const run = 32
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(workers, (n+run-1)/run) {
		wg.Go(func() {
			for {
				lo := int(next.Add(run)) - run
				if lo >= n {
					return
				}
				for i := lo; i < min(lo+run, n); i++ {
					f(i)
				}
			}
		})
	}
	wg.Wait()
}

// troubled tells whether something was reported of a spec's files before it is looked at.
func (r *repository) troubled(j job) bool {
	if j.dir.shut || len(j.dir.files) < j.dir.found {
		return true
	}
	return slices.ContainsFunc(r.trouble, func(d diag.Diagnostic) bool {
		if j.tenant == "" {
			return strings.HasPrefix(d.Span.File, "platform/")
		}
		return d.Tenant == j.tenant
	})
}

// inputs finds what each spec of a repository is made from.
type inputs struct {
	*repository
	cache   *Cache
	module  digest
	own     map[string]digest   // by directory: of its own files
	imports map[string][]string // by directory: what its files import
}

// of gives the digest of all that the spec of a directory is made from. There is none where a package is missing or
// could not be read.
func (in *inputs) of(dir string) (digest, bool, error) {
	imports, ok, err := in.look(dir)
	if err != nil || !ok {
		return digest{}, false, err
	}
	if len(imports) == 0 {
		return in.own[dir], true, nil
	}
	reached, ok, err := in.reached(dir)
	if err != nil || !ok {
		return digest{}, false, err
	}
	h := sha256.New()
	for _, d := range append([]string{dir}, reached...) {
		sum := in.own[d]
		h.Write(sum[:])
	}
	return digest(h.Sum(nil)), true, nil
}

// reached are the directories of all packages that a directory's imports, directly or not, sorted, without itself.
func (in *inputs) reached(dir string) (out []string, ok bool, err error) {
	done := map[string]bool{dir: true}
	for left := []string{dir}; len(left) > 0; {
		imports, ok, err := in.look(left[0])
		if err != nil || !ok {
			return nil, false, err
		}
		left = left[1:]
		for _, d := range imports {
			if !done[d] {
				done[d] = true
				left, out = append(left, d), append(out, d)
			}
		}
	}
	slices.Sort(out)
	return out, true, nil
}

// look digests the files of one directory and finds what they import.
func (in *inputs) look(dir string) ([]string, bool, error) {
	if _, done := in.own[dir]; done {
		return in.imports[dir], true, nil
	}
	d := in.dirs[dir]
	if d == nil || d.shut || len(d.files) < d.found {
		return nil, false, nil
	}
	if in.module == (digest{}) {
		in.module = sha256.Sum256(in.repository.module)
	}
	b := append(make([]byte, 0, 256), in.module[:]...)
	b = packString(b, dir)
	for _, f := range d.files {
		b = append(packString(b, f.path), f.sum[:]...)
	}
	own := digest(sha256.Sum256(b))
	imports, ok := in.cache.importsOf(own)
	if !ok {
		if err := d.fill(); err != nil {
			return nil, false, err
		}
		if !in.schemaOnly(d) {
			imports = in.importsOf(dir, &builder{repo: in.repository})
		}
	}
	in.own[dir], in.imports[dir] = own, imports
	return imports, true, nil
}

// schemaOnly tells, without parsing them, that files import no package of this repository but the schema, as nearly all
// do: they hold no backslash, so that strings are what they look like, and name the module for nothing else.
func (in *inputs) schemaOnly(d *dir) bool {
	module, used := []byte(in.modulePath), []byte(in.modulePath+"/schema\"")
	for _, f := range d.files {
		if bytes.IndexByte(f.data, '\\') >= 0 || bytes.Count(f.data, module) != bytes.Count(f.data, used) {
			return false
		}
	}
	return true
}

// fill reads what has to be read for a spec to be compiled.
func (in *inputs) fill(dir string) error {
	if err := in.dirs[dir].fill(); err != nil {
		return err
	}
	reached, ok, err := in.reached(dir)
	if err != nil {
		return err
	}
	if !ok { // some package is missing or has faults, and what is said of it may take any other
		reached = slices.Sorted(maps.Keys(in.dirs))
	}
	for _, d := range reached {
		if err := in.dirs[d].fill(); err != nil {
			return err
		}
	}
	return nil
}

// fill reads files that were left for when they are needed.
func (d *dir) fill() (err error) {
	for i := range d.files {
		if d.files[i].data, err = d.files[i].text(); err != nil {
			return fmt.Errorf("reading %s: %w", d.files[i].path, err)
		}
	}
	return nil
}

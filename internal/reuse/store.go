package reuse

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"time"
)

const (
	// storeMagic opens every file of a Store; its number is that of the format.
	storeMagic = "zave store 1\n"

	// MaxStore is how many bytes a Store keeps at the most. Specs of 1,000 tenants are a twentieth of it.
	MaxStore = 128 << 20
)

// Store is the place of one file of things that are dear to make and cheap to keep: what a package of ours made of the
// same bytes before. As a Memory, it is never the truth.
type Store struct {
	file string // empty where there is no cache directory
	key  string
}

// StoreFor gives the place of a file. The cache directory is os.UserCacheDir()/zave if dir is empty. The kind says what
// is in it, in lower-case letters; root is the directory that it was made from; the key is all that has to be the same
// for its content to mean something, such as Executable. Programs in different places have files of their own, so that
// two versions of one, such as a shell's and a hook's, do not take turns.
func StoreFor(dir, kind, root, key string) Store {
	dir, root, ok := places(dir, root)
	program, err := os.Executable()
	if !ok || err != nil {
		return Store{}
	}
	sum := sha256.Sum256([]byte(root + "\x00" + program))
	return Store{file: filepath.Join(dir, hex.EncodeToString(sum[:16])+"."+kind), key: key}
}

// places resolves the cache directory and another one.
func places(cache, root string) (string, string, bool) {
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", "", false
		}
		cache = filepath.Join(user, "zave")
	}
	root, err := filepath.Abs(root)
	return cache, root, err == nil
}

// Read gives what was written last under the same key, whole.
func (s Store) Read() (body []byte, ok bool) {
	if s.file == "" {
		return nil, false
	}
	if info, err := os.Lstat(s.file); err != nil || info.Size() > MaxStore {
		return nil, false
	}
	data, ok := readOwn(s.file)
	if !ok {
		return nil, false
	}
	rest, ok := bytes.CutPrefix(data, []byte(storeMagic))
	if !ok || len(rest) < sha256.Size {
		return nil, false
	}
	sum, rest := rest[:sha256.Size], rest[sha256.Size:]
	n, size := binary.Uvarint(rest)
	if size <= 0 || n > uint64(len(rest)-size) || string(rest[size:size+int(n)]) != s.key {
		return nil, false
	}
	if got := sha256.Sum256(rest); !bytes.Equal(got[:], sum) {
		return nil, false
	}
	return rest[size+int(n):], true
}

// Write replaces what there was. That it could not is not reported: the next run makes it again, and that is all.
func (s Store) Write(body []byte) {
	if s.file == "" || len(body) > MaxStore-len(storeMagic)-sha256.Size-binary.MaxVarintLen64-len(s.key) {
		return
	}
	data := append(make([]byte, 0, len(body)+len(s.key)+64), storeMagic...)
	data = append(data, make([]byte, sha256.Size)...)
	data = appendString(data, s.key)
	data = append(data, body...)
	rest := data[len(storeMagic)+sha256.Size:]
	sum := sha256.Sum256(rest)
	copy(data[len(storeMagic):], sum[:])
	if err := replace(s.file, data); err == nil {
		prune(filepath.Dir(s.file), time.Now())
	}
}

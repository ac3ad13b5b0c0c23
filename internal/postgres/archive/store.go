package archive

import (
	"context"
	"errors"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Store keeps objects under names of path segments that are divided by slashes.
type Store interface {
	// Put stores what r gives. The name holds nothing until all of it is stored, and is not overwritten. If r ends with an
	// error, nothing is stored and the error is returned. size is about how many bytes there will be; 0 says nothing.
	Put(ctx context.Context, name string, r io.Reader, size int64) error
	// Get opens an object. The error is fs.ErrNotExist where there is none.
	Get(ctx context.Context, name string) (io.ReadCloser, error)
	// List gives the objects right below a prefix that ends with a slash, sorted by name; none where there is no such
	// prefix.
	List(ctx context.Context, prefix string) ([]Object, error)
	// Remove removes an object. That there is none is no error.
	Remove(ctx context.Context, name string) error
	// Clean removes what a Put below the prefix left half done before a time, because it was killed.
	Clean(ctx context.Context, prefix string, before time.Time) error
	// String names the store for people.
	String() string
}

// Object is a stored object.
type Object struct {
	Name string // in full
	Size int64  // bytes
}

// StoreOptions say how an S3 store is reached. What is left out comes from the environment variables of the AWS tools.
type StoreOptions struct {
	Endpoint string // URL; AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL; none: Amazon's
	Region   string // AWS_REGION, AWS_DEFAULT_REGION
	// Credentials is a directory with the files "access-key-id" and "secret-access-key", a mounted Secret. Without it:
	// AWS_ACCESS_KEY_ID and so on, the shared credentials file, then the machine's or the service account's role.
	Credentials string
	// CA is a PEM file of the authorities that sign the endpoint's certificate; AWS_CA_BUNDLE; none: the system's.
	CA string
}

const storeHint = "give a directory (/backups, file:///backups) or a bucket (s3://bucket/prefix)"

// Open opens the store at a URL: file:///backups or just a path for a directory that must exist, s3://bucket/prefix for
// S3-compatible storage. It reaches S3 with the first use only.
func Open(location string, o StoreOptions) (Store, error) {
	if location == "" {
		return nil, problem(Mistaken, storeHint, "no place was given for the backups")
	}
	if !strings.Contains(location, "://") {
		return openDir(location)
	}
	u, err := url.Parse(location)
	if err != nil || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		// Not quoted: people put passwords there.
		return nil, problem(Mistaken, storeHint, "the place of the backups is not a URL of a store")
	}
	switch u.Scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" {
			return nil, problem(Mistaken, "a path has three slashes: file:///backups", "%q names a host, not a directory",
				location)
		}
		return openDir(filepath.FromSlash(u.Path))
	case "s3":
		prefix := strings.Trim(path.Clean("/"+u.Path), "/")
		if u.Host == "" || u.Port() != "" {
			return nil, problem(Mistaken, storeHint, "%q names no bucket", location)
		}
		return openS3(u.Host, prefix, o)
	}
	return nil, problem(Mistaken, storeHint, "%q is a kind of store that is not known", u.Scheme+"://")
}

// copyContext copies until the context is done.
func copyContext(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	return io.Copy(w, &contextReader{ctx, r})
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// firstEnv gives the first of some environment variables that is set.
func firstEnv(names ...string) string {
	for _, name := range names {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}

// errExists is what Put returns where the name is taken.
var errExists = errors.New("there is an object of that name already")

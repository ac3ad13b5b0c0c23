package archive

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// bucket is a store in a bucket of S3-compatible storage, below a prefix that is empty or ends with a slash.
type bucket struct {
	name, prefix, endpoint string
	client                 *minio.Client
}

const credentialsHint = "give --store-credentials DIR with the files access-key-id and secret-access-key, or the " +
	"variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"

func openS3(name, prefix string, o StoreOptions) (*bucket, error) {
	if prefix != "" {
		prefix += "/"
	}
	endpoint := o.Endpoint
	if endpoint == "" {
		endpoint = firstEnv("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
	}
	options := &minio.Options{
		Secure: true, BucketLookup: minio.BucketLookupPath, MaxRetries: 4,
		Region: o.Region,
	}
	if options.Region == "" {
		options.Region = firstEnv("AWS_REGION", "AWS_DEFAULT_REGION")
	}
	host := "s3.amazonaws.com"
	if endpoint == "" {
		options.BucketLookup = minio.BucketLookupAuto
	} else {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.Scheme != "https" &&
			u.Scheme != "http" {
			return nil, problem(Mistaken, "give it as https://HOST or https://HOST:PORT",
				"the endpoint of the store is not a URL of a server")
		}
		// Over http nothing is secret but the names and sizes: archives are encrypted and signed, requests only signed.
		options.Secure, host = u.Scheme == "https", u.Host
		if options.Region == "" {
			options.Region = "us-east-1" // what servers other than Amazon's take, if they care at all
		}
	}
	var err error
	if options.Creds, err = s3Credentials(o.Credentials); err != nil {
		return nil, err
	}
	if options.Transport, err = s3Transport(o.CA); err != nil {
		return nil, err
	}
	client, err := minio.New(host, options)
	if err != nil {
		return nil, problem(Mistaken, "give it as https://HOST or https://HOST:PORT",
			"the endpoint of the store cannot be used").from(err)
	}
	if err := validBucket(name); err != nil {
		return nil, err
	}
	return &bucket{name, prefix, host, client}, nil
}

// validBucket refuses what no bucket can be called (Amazon S3 User Guide, "General purpose bucket naming rules").
func validBucket(name string) error {
	bad := len(name) < 3 || len(name) > 63 || strings.Trim(name, ".-") != name || strings.Contains(name, "..")
	for _, c := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-", c) {
			bad = true
		}
	}
	if bad {
		return problem(Mistaken, "buckets are named with 3 to 63 small letters, digits, points and hyphens",
			"%q cannot be a bucket", name)
	}
	return nil
}

func s3Credentials(dir string) (*credentials.Credentials, error) {
	if dir != "" {
		id, err := readLine(filepath.Join(dir, "access-key-id"))
		if err != nil {
			return nil, problem(Mistaken, credentialsHint, "the store's access key cannot be read").from(err)
		}
		secret, err := readLine(filepath.Join(dir, "secret-access-key"))
		if err != nil {
			return nil, problem(Mistaken, credentialsHint, "the store's secret key cannot be read").from(err)
		}
		return credentials.NewStaticV4(id, secret, ""), nil
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{},
		&credentials.FileAWSCredentials{},
		&credentials.IAM{},
	}), nil
}

// readLine reads a file of one line. The error names no content.
func readLine(name string) (string, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" || strings.ContainsAny(s, "\r\n") {
		return "", fmt.Errorf("%s does not hold one line", name)
	}
	return s, nil
}

func s3Transport(ca string) (http.RoundTripper, error) {
	if ca == "" {
		ca = firstEnv("AWS_CA_BUNDLE")
	}
	t, err := minio.DefaultTransport(true)
	if err != nil {
		return nil, err
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return nil, problem(Mistaken, "", "the authorities of the store's certificate cannot be read").from(err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, problem(Mistaken, "it is a file of certificates in PEM", "%s holds no certificate", ca)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	return t, nil
}

func (b *bucket) String() string {
	s := "s3://" + b.name
	if b.prefix != "" {
		s += "/" + strings.TrimSuffix(b.prefix, "/")
	}
	return s
}

// The parts of an upload are buffered one at a time. There can be 10000 of them.
const (
	minPart  = 16 << 20
	maxParts = 10000
)

// partSize gives a part's bytes for an upload of about so many: twice as many fit.
func partSize(size int64) uint64 {
	part := uint64(minPart)
	for size > 0 && part*maxParts/2 < uint64(size) {
		part *= 2
	}
	return part
}

func (b *bucket) Put(ctx context.Context, name string, r io.Reader, size int64) error {
	key := b.prefix + name
	// Not all servers know If-None-Match, and none applies it to uploads in parts. A list and no HEAD: the answer to HEAD
	// has no body that would say what is wrong.
	there, err := b.list(ctx, minio.ListObjectsOptions{Prefix: key, MaxKeys: 1})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(there, func(o minio.ObjectInfo) bool { return o.Key == key }) {
		return fmt.Errorf("%s: %w", name, errExists)
	}
	options := minio.PutObjectOptions{ContentType: "application/octet-stream", PartSize: partSize(size)}
	tail := &tail{r: r}
	first, err := io.ReadAll(io.LimitReader(&contextReader{ctx, tail}, minPart))
	if err != nil {
		return err
	}
	if len(first) < minPart { // all of it: one request, which is atomic
		options.SetMatchETagExcept("*")
		_, err = b.client.PutObject(ctx, b.name, key, bytes.NewReader(first), int64(len(first)), options)
		switch code := minio.ToErrorResponse(err); {
		case err == nil:
			return nil
		case code.Code == "PreconditionFailed" || code.StatusCode == http.StatusPreconditionFailed:
			return fmt.Errorf("%s: %w", name, errExists)
		case code.StatusCode != http.StatusNotImplemented:
			return b.explain(err)
		}
		options = minio.PutObjectOptions{ContentType: options.ContentType, PartSize: options.PartSize}
		_, err = b.client.PutObject(ctx, b.name, key, bytes.NewReader(first), int64(len(first)), options)
		return b.explain(err)
	}
	whole := io.MultiReader(bytes.NewReader(first), &contextReader{ctx, tail})
	_, err = b.client.PutObject(ctx, b.name, key, whole, -1, options)
	if tail.err != nil {
		return tail.err // what the source said, and not what the client makes of it
	}
	return b.explain(err)
}

// tail remembers the error that ended a reader.
type tail struct {
	r   io.Reader
	err error
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		t.err = err
	}
	return n, err
}

func (b *bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	core := minio.Core{Client: b.client} // its GetObject is one GET
	body, _, _, err := core.GetObject(ctx, b.name, b.prefix+name, minio.GetObjectOptions{})
	if err != nil && isMissing(err) {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, b.explain(err)
	}
	return &s3Reader{body, b}, nil
}

type s3Reader struct {
	io.ReadCloser
	b *bucket
}

func (r *s3Reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = r.b.explain(err)
	}
	return n, err
}

func (b *bucket) List(ctx context.Context, prefix string) ([]Object, error) {
	found, err := b.list(ctx, minio.ListObjectsOptions{Prefix: b.prefix + prefix})
	if err != nil {
		return nil, err
	}
	var out []Object
	for _, o := range found {
		if !strings.HasSuffix(o.Key, "/") {
			out = append(out, Object{strings.TrimPrefix(o.Key, b.prefix), o.Size})
		}
	}
	slices.SortFunc(out, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (b *bucket) list(ctx context.Context, o minio.ListObjectsOptions) ([]minio.ObjectInfo, error) {
	ctx, cancel := context.WithCancel(ctx) // else the lister outlives an early return
	defer cancel()
	var out []minio.ObjectInfo
	for found := range b.client.ListObjects(ctx, b.name, o) {
		if found.Err != nil {
			return nil, b.explain(found.Err)
		}
		out = append(out, found)
		if o.MaxKeys == 1 {
			break // the first key that begins so is the key itself, if it is there
		}
	}
	return out, ctx.Err()
}

func (b *bucket) Remove(ctx context.Context, name string) error {
	err := b.client.RemoveObject(ctx, b.name, b.prefix+name, minio.RemoveObjectOptions{})
	if err != nil && isMissing(err) {
		return nil
	}
	return b.explain(err)
}

func (b *bucket) Clean(ctx context.Context, prefix string, before time.Time) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	core := minio.Core{Client: b.client}
	for u := range b.client.ListIncompleteUploads(ctx, b.name, b.prefix+prefix, true) {
		if u.Err != nil {
			return b.explain(u.Err)
		}
		if !u.Initiated.Before(before) {
			continue
		}
		if err := core.AbortMultipartUpload(ctx, b.name, u.Key, u.UploadID); err != nil && !isMissing(err) {
			return b.explain(err)
		}
	}
	return ctx.Err()
}

func isMissing(err error) bool {
	switch minio.ToErrorResponse(err).Code {
	case "NoSuchKey", "NoSuchUpload", "NotFound":
		return true
	}
	return false
}

// explain says what people can do about an answer of the store.
func (b *bucket) explain(err error) error {
	var known *Problem
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, errExists) {
		return err
	}
	var unknown x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	var dns *net.DNSError
	switch answer := minio.ToErrorResponse(err); answer.Code {
	case "NoSuchBucket":
		return problem(Missing, "make it first; it is not made here", "the bucket %s does not exist at %s", b.name,
			b.endpoint)
	case "AccessDenied", "AllAccessDisabled", "Forbidden":
		return problem(Unusable, "it takes s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject, "+
			"s3:AbortMultipartUpload and s3:ListBucketMultipartUploads", "the store does not let these credentials at %s", b)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidTokenId", "ExpiredToken", "InvalidToken",
		"XAdminUserNotFound": // the last is versitygw's
		return problem(Unusable, credentialsHint, "the store at %s does not know these credentials (%s)", b.endpoint,
			answer.Code)
	case "RequestTimeTooSkewed":
		return problem(Unusable, "set the clocks", "the clock here and that of %s are too far apart", b.endpoint)
	case "EntityTooLarge":
		return problem(Unusable, "", "the archive is too large for the store").from(err)
	default:
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			return problem(Unusable, credentialsHint, "the store at %s does not know these credentials", b.endpoint).from(err)
		}
	}
	hint := ""
	switch {
	case errors.As(err, &unknown):
		hint = "give the file of the authority that signed its certificate: --store-ca FILE"
	case errors.As(err, &hostname), errors.As(err, &certificate):
		hint = "the certificate must be for the endpoint's name, and valid now"
	case errors.As(err, &dns):
		hint = "check the endpoint's name"
	case errors.As(err, &op):
		hint = "check that the endpoint is right and reachable from here"
	}
	return problem(Unusable, hint, "the store %s at %s does not do what it should", b, b.endpoint).from(err)
}

package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/zavestudios/zave/internal/postgres/state"
)

// Format is the version of the manifest that is written. Others are refused.
const Format = 1

// maxManifest bounds what is read of a manifest, in bytes. A million large objects take a fifth of it.
const maxManifest = 64 << 20

// Manifest says what an archive is, and what is in it.
type Manifest struct {
	Format   int         `json:"format"`
	ID       string      `json:"id"`
	Tenant   string      `json:"tenant"`
	Database string      `json:"database"`
	Cluster  string      `json:"cluster"`
	SpecHash string      `json:"specHash"`
	Roles    state.Roles `json:"roles"`  // what the tenant's roles are called in it
	Schema   string      `json:"schema"` // the tenant's

	Server  int    `json:"serverVersion"` // server_version_num: 150012
	Client  string `json:"pgDump"`        // the version of pg_dump: 18.7
	Program string `json:"zave,omitempty"`

	// Taken is the time of the snapshot, by the server's clock, in UTC and full seconds.
	Taken time.Time `json:"taken"`

	Evidence   Evidence `json:"evidence"`
	Payload    Payload  `json:"payload"`
	Recipients []string `json:"recipients"` // age recipients that can read it
}

// Payload is what the manifest vouches for: the encrypted file, byte for byte.
type Payload struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Set is where the archive lies.
func (m *Manifest) Set() Set { return Set{Tenant: m.Tenant, Database: m.Database} }

// signed is a manifest's file. The signature is over the bytes of the manifest as they stand, so that there is one
// reading of them.
type signed struct {
	Manifest  json.RawMessage `json:"manifest"`
	Signature *signature      `json:"signature,omitempty"`
}

type signature struct {
	Key   PublicKey `json:"key"`
	Value []byte    `json:"value"`
}

// Encode gives the manifest's file: JSON, with the signature if there is a signer.
func (m *Manifest) Encode(by *Signer) ([]byte, error) {
	raw, err := json.MarshalIndent(m, "  ", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\n  \"manifest\": %s", raw)
	if by != nil {
		s, err := json.Marshal(signature{by.Public(), by.sign(raw)})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, ",\n  \"signature\": %s", s)
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

// Trust says which archives may be restored.
type Trust struct {
	Keys []PublicKey // of who may sign
	// Unsigned lets archives pass that bear no signature, or one of nobody known. Who can write the store can then have
	// any SQL run as the tenant's owner.
	Unsigned bool
}

// Decode reads a manifest's file, and refuses one that is not signed by a key that is trusted, of another format, or
// not what this package writes. The key is empty where there is no signature that holds.
func Decode(data []byte, trust Trust) (*Manifest, PublicKey, error) {
	var s signed
	if err := strict(data, &s); err != nil {
		return nil, "", refuse("its manifest cannot be read", "it was cut short, or is no manifest of a backup").from(err)
	}
	var format struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(s.Manifest, &format); err != nil {
		return nil, "", refuse("its manifest cannot be read", "it was cut short, or is no manifest of a backup").from(err)
	}
	key, err := trust.check(s)
	if err != nil {
		return nil, "", err
	}
	if format.Format != Format {
		return nil, key, refuse(fmt.Sprintf("its manifest is of format %d, and %d is known", format.Format, Format),
			"use the version of zave that made it, or a newer one")
	}
	m := &Manifest{}
	if err := strict(s.Manifest, m); err != nil {
		return nil, key, refuse("its manifest cannot be read", "it is no manifest of a backup").from(err)
	}
	if taken, err := ParseID(m.ID); err != nil || !taken.Equal(m.Taken) {
		return nil, key, refuse("its manifest gives one time and its ID another", "it was tampered with")
	}
	if m.Payload.Size <= 0 || len(m.Payload.SHA256) != 64 || m.Tenant == "" || m.Database == "" {
		return nil, key, refuse("its manifest leaves out whose it is or what it vouches for", "it was tampered with")
	}
	return m, key, nil
}

func (t Trust) check(s signed) (PublicKey, error) {
	if s.Signature == nil {
		if t.Unsigned {
			return "", nil
		}
		return "", refuse("it is not signed",
			"whoever can write the store could have planted it; allow unsigned archives if you know better")
	}
	for _, key := range t.Keys {
		if key == s.Signature.Key {
			if key.verify(s.Manifest, s.Signature.Value) {
				return key, nil
			}
			return "", refuse("its signature does not hold", "its manifest was tampered with; take another archive")
		}
	}
	if t.Unsigned {
		return "", nil
	}
	if len(t.Keys) == 0 {
		return "", problem(Mistaken, "give the public key of who signs the backups, or allow unsigned archives",
			"no key was given that an archive's signature could be held against")
	}
	return "", refuse(fmt.Sprintf("it is signed by %s, which is not trusted", s.Signature.Key),
		"if that key is yours, give it with the others; else somebody planted the archive")
}

// refuse is a Problem with an archive. Its text follows the archive's name.
func refuse(text, hint string) *Problem { return &Problem{Kind: Refused, Text: text, Hint: hint} }

// strict decodes exactly one JSON value with no field that is not known.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("something follows its end")
	}
	return nil
}

package generator_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/zavestudios/zave/generator"
	"github.com/zavestudios/zave/generator/spec"
	"github.com/zavestudios/zave/internal/source"
)

// somewhere is where everything in a made-up spec stands.
type somewhere struct{ file string }

func (s somewhere) At(path ...string) source.Span {
	return source.Span{File: s.file, Line: int32(1 + len(path)), Col: 1}
}
func (s somewhere) Key(path ...string) source.Span { return s.At(path...) }

// words are what strings are made of: mostly the right thing in the wrong place.
var words = []string{
	"", "", "a", "b", "web", "worker", "sandbox", "aws", "standard", "small", "postgres", "istiod", "mesh", "gateway", "monitoring",
	"delivery", "secrets", "active", "suspended", "retired", "public-http", "internal-http", "grpc", "none", "static", "container",
	"10.0.0.0/8", "169.254.169.254/32", "0.0.0.0/0", "fd00::/8", "100m", "1Gi", "1.34.3", "30d", "1h", "0 3 * * *", "tenants/a/x",
	"ghcr.io/x/y", "sha256:00", "TCP", "UDP", "https://example.com/x", "database", "db_a", "app", "true", "x.example.com", "a-b", "a_b",
}

// fill puts anything that the types allow into v.
func fill(r *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && f.Kind() != reflect.Interface {
				fill(r, f, depth+1)
			}
		}
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(r, v.Elem(), depth+1)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([][]byte{nil, []byte(`{}`), []byte(`{"a":{"b":1}}`), []byte(`{"a":null}`)}[r.IntN(4)])
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(r, v.Index(i), depth+1)
		}
		unique(r, v)
	case reflect.String:
		if v.Type() == reflect.TypeFor[json.Number]() {
			v.SetString([]string{"", "1", "99.5", "8"}[r.IntN(4)])
			return
		}
		v.SetString(words[r.IntN(len(words))])
	case reflect.Int, reflect.Int64:
		v.SetInt([]int64{0, 1, 2, 80, 8000, -1, 1 << 31}[r.IntN(7)])
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	}
}

// unique keeps what the schema's maps promise: their elements have names, and no two the same.
func unique(r *rand.Rand, list reflect.Value) {
	field := "Name"
	switch list.Type().Elem() {
	case reflect.TypeFor[spec.Egress](), reflect.TypeFor[spec.Node]():
		return // lists in the schema
	case reflect.TypeFor[spec.Override](), reflect.TypeFor[spec.ServiceOverride]():
		field = "Cluster"
	}
	if list.Type().Elem().Kind() != reflect.Struct || !list.Type().Elem().Field(0).IsExported() {
		return
	}
	names := []string{"sandbox", "aws", "web", "worker", "standard", "small", "postgres", "istiod", "a", "b", "app", "database"}
	from := r.IntN(len(names))
	for i := range list.Len() {
		if f := list.Index(i).FieldByName(field); f.IsValid() {
			f.SetString(names[(from+i)%len(names)])
		}
		if f := list.Index(i).FieldByName("Namespace"); f.IsValid() { // a name as well, and shared at times
			f.SetString(names[r.IntN(len(names))])
		}
	}
}

// TestCompileIsTotal compiles sets that no loader would let through: whatever they hold, there is a result or a
// diagnostic, and never a panic.
func TestCompileIsTotal(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 1_000
	}
	compiled, refused := 0, 0
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		set := &spec.Set{}
		if r.IntN(20) > 0 {
			set.Platform = &spec.Platform{Positions: somewhere{"platform/platform.cue"}}
			fill(r, reflect.ValueOf(set.Platform).Elem(), 0)
		}
		for range r.IntN(4) {
			tenant := &spec.Tenant{Positions: somewhere{"tenants/t/tenant.cue"}}
			fill(r, reflect.ValueOf(tenant).Elem(), 0)
			tenant.Positions = somewhere{"tenants/t/tenant.cue"}
			tenant.Name = []string{"a", "b", "panchito"}[len(set.Tenants)]
			set.Tenants = append(set.Tenants, tenant)
		}
		func() {
			defer func() {
				if p := recover(); p != nil {
					panic(fmt.Sprintf("seed %d: %v", seed, p))
				}
			}()
			result, list, err := generator.Compile(set, generator.Options{})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if result != nil {
				compiled++
			} else if list.HasErrors() {
				refused++
			}
		}()
	}
	t.Logf("%d compiled, %d refused", compiled, refused)
	if compiled == 0 || refused == 0 {
		t.Errorf("the made-up sets are one-sided: %d compiled, %d refused", compiled, refused)
	}
}

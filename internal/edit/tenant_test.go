package edit

import (
	"bytes"
	"testing"

	"cuelang.org/go/cue/format"

	"github.com/zavestudios/zave/generator/spec"
)

func TestEncode(t *testing.T) {
	image := spec.Image{Repository: "r.example/a", Tag: "v1", Digest: "sha256:0"}
	for _, test := range []struct {
		name string
		in   NewTenant
		want string
	}{
		{"the least", NewTenant{Name: "a", Description: "An A", Clusters: []string{"dev"}, Class: "tenant", Tier: "standard"}, `
	name:        "a"
	description: "An A"
	owner: {team: "web", contact: "w@x.y"}
	clusters: ["dev"]
}
`},
		{"defaults of a workload", NewTenant{Name: "a-b", Description: `say "A"`, Clusters: []string{"dev", "prod"}, Workload: &NewWorkload{
			Name: "web", Runtime: "container", Image: image, Expose: "none", Size: "small", Replicas: 1,
		}}, `
	name:        "a-b"
	description: "say \"A\""
	owner: {team: "web", contact: "w@x.y"}
	clusters: ["dev", "prod"]

	workloads: web: {
		image: {
			repository: "r.example/a"
			tag:        "v1"
			digest:     "sha256:0"
		}
	}
}
`},
		{"all of it", NewTenant{
			Name: "a", Description: "An A", Clusters: []string{"dev"}, Class: "portfolio", Tier: "large", Database: true,
			Workload: &NewWorkload{
				Name: "my-web", Runtime: "static", Image: spec.Image{Repository: "r.example/a", Digest: "sha256:0"}, Port: 9000,
				Expose: "public-http", Hosts: []string{"a.example"}, Health: "/up", Size: "large", Replicas: 2, Schedule: "@daily",
			},
		}, `
	name:        "a"
	description: "An A"
	owner: {team: "web", contact: "w@x.y"}
	class: "portfolio"
	clusters: ["dev"]
	tier: "large"

	workloads: "my-web": {
		runtime: "static"
		image: {
			repository: "r.example/a"
			digest:     "sha256:0"
		}
		port:   9000
		expose: "public-http"
		hosts: ["a.example"]
		health: {startup: "/up", ready: "/up", live: "/up"}
		size: "large"
		replicas: min: 2
		schedule: "@daily"
	}

	database: {}
}
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.in.Module, test.in.Owner = "example.com/platform", spec.Owner{Team: "web", Contact: "w@x.y"}
			got, err := test.in.Encode()
			if err != nil {
				t.Fatal(err)
			}
			_, body, _ := bytes.Cut(got, []byte("schema.#Tenant & {"))
			if string(body) != test.want {
				t.Errorf("got:\n%s\nwant:\n%s", body, test.want)
			}
			if again, err := format.Source(got); err != nil || !bytes.Equal(again, got) {
				t.Errorf("it is not as cue fmt has it: %v\n%s", err, again)
			}
		})
	}
	if _, err := (NewTenant{Name: "a b"}).Encode(); err == nil {
		t.Error("a name with a space was taken")
	}
}

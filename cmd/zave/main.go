// Command zave compiles tenant specs, written in CUE, into the tree of manifests that Flux and Argo CD reconcile.
package main

import (
	"os"

	"github.com/zavestudios/zave/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

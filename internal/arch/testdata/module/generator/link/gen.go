//go:build ignore

package main

import _ "os"

package source

import _ "os"

func init() {}

type t struct{}

func (t) init() {}

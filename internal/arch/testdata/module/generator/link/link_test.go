package link

import (
	_ "os"

	_ "github.com/zavestudios/zave/internal/golden"
)

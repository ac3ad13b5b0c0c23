package diag

import "github.com/zavestudios/zave/internal/dialect"

// Visible is dialect.Visible for whoever else shows text that others wrote, such as the names on a server.
func Visible(s string) string { return dialect.Visible(s) }

func visible(s string) string { return dialect.Visible(s) }

package dialect

import (
	"net/url"
	"strings"

	"github.com/zavestudios/zave/internal/source"
)

// SARIF is the parts of a SARIF 2.1.0 log (OASIS Standard, 27 March 2020) that zave fills in; section numbers are that
// document's.
type SARIF struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []SARIFRun `json:"runs"`
}

// SARIFRun is one run of zave.
type SARIFRun struct {
	Tool        SARIFTool         `json:"tool"`
	Invocations []SARIFInvocation `json:"invocations,omitempty"`
	ColumnKind  string            `json:"columnKind"`
	Results     []SARIFResult     `json:"results"` // present when empty: "nothing was found", 3.14.23
}

// SARIFTool is who made the log.
type SARIFTool struct {
	Driver SARIFDriver `json:"driver"`
}

// SARIFDriver is zave and its rules.
type SARIFDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version,omitempty"`
	InformationURI string      `json:"informationUri"`
	Rules          []SARIFRule `json:"rules"`
}

// SARIFRule is what a result is an instance of.
type SARIFRule struct {
	ID               string             `json:"id"`
	ShortDescription SARIFText          `json:"shortDescription"`
	FullDescription  SARIFText          `json:"fullDescription"`
	Help             SARIFText          `json:"help"`
	Default          SARIFConfiguration `json:"defaultConfiguration"`
}

// SARIFConfiguration is how bad a rule's results are unless they say otherwise.
type SARIFConfiguration struct {
	Level string `json:"level"`
}

// SARIFText is text in one or two forms.
type SARIFText struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown,omitempty"`
}

// SARIFInvocation says how a run went, where there is something to say.
type SARIFInvocation struct {
	Successful    bool                `json:"executionSuccessful"`
	Notifications []SARIFNotification `json:"toolExecutionNotifications,omitempty"`
}

// SARIFNotification is about the run and not about a file.
type SARIFNotification struct {
	Level   string    `json:"level"`
	Message SARIFText `json:"message"`
}

// SARIFResult is one finding.
type SARIFResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"` // "error", "warning", "note"
	Message      SARIFText          `json:"message"`
	Locations    []SARIFLocation    `json:"locations"`
	Related      []SARIFLocation    `json:"relatedLocations,omitempty"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []SARIFSuppression `json:"suppressions,omitempty"`
}

// SARIFSuppression says that and why a result is accepted.
type SARIFSuppression struct {
	Kind          string `json:"kind"` // "inSource" or "external"
	Justification string `json:"justification"`
}

// SARIFLocation is a place.
type SARIFLocation struct {
	ID       int           `json:"id,omitempty"`
	Physical SARIFPhysical `json:"physicalLocation"`
	Logical  []SARIFName   `json:"logicalLocations,omitempty"`
	Message  *SARIFText    `json:"message,omitempty"`
}

// SARIFName is a place by name.
type SARIFName struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

// SARIFPhysical is a place in a file.
type SARIFPhysical struct {
	Artifact SARIFArtifact `json:"artifactLocation"`
	Region   *SARIFRegion  `json:"region,omitempty"`
}

// SARIFArtifact is a file.
type SARIFArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId"`
}

// SARIFRegion is a stretch of a file; columns are counted in characters.
type SARIFRegion struct {
	StartLine   int32 `json:"startLine"`
	StartColumn int32 `json:"startColumn,omitempty"`
	EndLine     int32 `json:"endLine,omitempty"`
	EndColumn   int32 `json:"endColumn,omitempty"`
}

// NewSARIF gives a log of one run of zave, of a version that may be empty, with no rules and no results.
func NewSARIF(version string) *SARIF {
	return &SARIF{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0",
		Runs: []SARIFRun{{
			Tool: SARIFTool{Driver: SARIFDriver{
				Name:           "zave",
				Version:        version,
				InformationURI: "https://github.com/zavestudios/zave",
				Rules:          []SARIFRule{},
			}},
			ColumnKind: "unicodeCodePoints",
			Results:    []SARIFResult{},
		}},
	}
}

// SARIFPlace gives the location of a span. Every result has a place, "." for the repository as a whole where there is
// no file: GitHub refuses a whole upload for one result that has none.
func SARIFPlace(s source.Span, files *Files) SARIFLocation {
	file := s.File
	if file == "" {
		file = "."
	}
	// A relative reference, percent-encoded (3.4.3, RFC 3986); url.URL puts "./" before a colon in the first segment.
	artifact := SARIFArtifact{URI: (&url.URL{Path: file}).String(), URIBaseID: "%SRCROOT%"}
	out := SARIFLocation{Physical: SARIFPhysical{Artifact: artifact}}
	if s.Line > 0 && s.File != "" {
		r := &SARIFRegion{StartLine: s.Line}
		l := files.Lines(s.File)
		if s.Col > 0 {
			r.StartColumn = l.Column(s.Line, s.Col)
			if s.EndLine >= s.Line && s.EndCol > 0 {
				r.EndLine, r.EndColumn = s.EndLine, l.Column(s.EndLine, s.EndCol)
			}
		}
		out.Physical.Region = r
	}
	return out
}

// SARIFMessage keeps text that somebody wrote from becoming a link: plain messages know [text](target) too (3.11.6).
func SARIFMessage(s string) SARIFText { return SARIFText{Text: strings.ReplaceAll(s, "](", "] (")} }

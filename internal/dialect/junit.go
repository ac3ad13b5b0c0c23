package dialect

import "encoding/xml"

// JUnit is a report of test cases: the elements and attributes of the Jenkins xUnit plugin's junit-10.xsd, which the
// other readers accept too. There is no time or host in them: a report of the same cases has the same bytes.
type JUnit struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Suites   []JUnitSuite `xml:"testsuite"`
}

// JUnitSuite is a suite of cases.
type JUnitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []JUnitCase `xml:"testcase"`
}

// JUnitCase passes unless it has a failure.
type JUnitCase struct {
	Name      string        `xml:"name,attr"` // holds no line number: histories follow a case by its name
	Classname string        `xml:"classname,attr"`
	Failure   *JUnitFailure `xml:"failure"`
	SystemOut *JUnitText    `xml:"system-out"`
}

// JUnitFailure is why a case fails.
type JUnitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	JUnitText
}

// JUnitText is text in an element.
type JUnitText struct {
	Text string `xml:",cdata"` // character data would have its line ends as references
}

// Add appends a case to the last suite, and counts it.
func (j *JUnit) Add(c JUnitCase) {
	suite := &j.Suites[len(j.Suites)-1]
	suite.Cases = append(suite.Cases, c)
	suite.Tests++
	j.Tests++
	if c.Failure != nil {
		suite.Failures++
		j.Failures++
	}
}

// Encode gives the document. One without a case gets one that passes, of the given name, as readers take an empty
// report for a broken one.
func (j JUnit) Encode(empty string) []byte {
	if j.Tests == 0 {
		j.Suites = []JUnitSuite{{Name: j.Name}}
		j.Add(JUnitCase{Name: empty, Classname: j.Name})
	}
	out, err := xml.MarshalIndent(j, "", "  ")
	if err != nil {
		panic("dialect: a report of strings and numbers does not encode: " + err.Error())
	}
	return append([]byte(xml.Header), append(out, '\n')...)
}

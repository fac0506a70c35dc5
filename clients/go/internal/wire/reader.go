package wire

import (
	"strings"
	"unicode/utf8"
)

// Of a longer message texts are copied, so that whoever keeps one does not keep all of it in memory.
const shared = 4 << 10

// reader reads the fields of an encoded message one by one. What it does not expect makes it fail, and stay so.
type reader struct {
	rest   string
	shares bool
	failed bool
}

func newReader(message string) reader {
	return reader{rest: message, shares: len(message) <= shared}
}

func (r *reader) more() bool { return len(r.rest) > 0 && !r.failed }

func (r *reader) isAtEnd() bool { return r.rest == "" && !r.failed }

func (r *reader) fail() {
	r.rest, r.failed = "", true
}

func (r *reader) varint() uint64 {
	var out uint64
	for i := range min(len(r.rest), 10) {
		b := r.rest[i]
		if i == 9 && b > 1 {
			break
		}
		out |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			r.rest = r.rest[i+1:]
			return out
		}
	}
	r.fail()
	return 0
}

// bytes is a field that tells its length.
func (r *reader) bytes() string {
	length := r.varint()
	if length > uint64(len(r.rest)) {
		r.fail()
		return ""
	}
	out := r.rest[:length]
	r.rest = r.rest[length:]
	return out
}

func (r *reader) text() string {
	out := r.bytes()
	if !utf8.ValidString(out) {
		r.fail()
		return ""
	}
	if r.shares {
		return out
	}
	return strings.Clone(out)
}

// message is a reader of a message that stands in this one. What it has met is told by ended.
func (r *reader) message() reader {
	return reader{rest: r.bytes(), shares: r.shares}
}

func (r *reader) ended(inner *reader) {
	if inner.failed {
		r.fail()
	}
}

// seconds reads a timestamp or a duration, which look the same.
func (r *reader) seconds(seconds *int64, nanos *int32) {
	inner := r.message()
	for inner.more() {
		switch inner.varint() {
		case 1<<3 | number:
			*seconds = int64(inner.varint())
		case 2<<3 | number:
			*nanos = int32(inner.varint())
		default:
			inner.fail()
		}
	}
	r.ended(&inner)
}

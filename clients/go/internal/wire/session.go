// Package wire reads and writes sessions as they travel. Package proto does the same by reflection, which takes longer than
// the rest of a call; it remains for everything that is not in every session.
package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "sessiond/gen/sessiond/v1"
)

// The types of fields, as they stand before them beside the field's number.
const (
	number = uint64(protowire.VarintType)
	sized  = uint64(protowire.BytesType)
)

// GetResponse reads an encoded GetSessionResponse; nil where package proto must, which tells what is wrong with it, too.
func GetResponse(message string) *pb.GetSessionResponse {
	out := new(struct {
		response pb.GetSessionResponse
		answered
	})
	if !out.read(message, &out.response.NotModified) {
		return nil
	}
	out.response.Session = &out.session
	return &out.response
}

// UpdateResponse does so for an UpdateSessionResponse.
func UpdateResponse(message string) *pb.UpdateSessionResponse {
	out := new(struct {
		response pb.UpdateSessionResponse
		answered
	})
	if !out.read(message, &out.response.Created) {
		return nil
	}
	out.response.Session = &out.session
	return &out.response
}

// answered is a session and what every session has, in one piece of memory.
type answered struct {
	session                                             pb.Session
	created, accessed, updated, absoluteExpire, expires timestamppb.Timestamp
	idle                                                durationpb.Duration
}

// read reads an answer that has a session, and a flag after it.
func (a *answered) read(message string, flag *bool) bool {
	r := newReader(message)
	if r.varint() != 1<<3|sized {
		return false
	}
	session := r.message()
	for session.more() {
		a.field(&session)
	}
	r.ended(&session)
	for r.more() {
		if r.varint() != 2<<3|number {
			return false
		}
		*flag = r.varint() != 0
	}
	return !r.failed
}

// field reads a field of the session.
func (a *answered) field(r *reader) {
	s := &a.session
	switch r.varint() {
	case 1<<3 | sized:
		s.Handle = r.text()
	case 2<<3 | sized:
		s.Namespace = r.text()
	case 3<<3 | number:
		s.Version = r.varint()
	case 4<<3 | sized:
		if s.Attributes == nil {
			s.Attributes = make(map[string]*pb.Value)
		}
		name, value := attribute(r)
		s.Attributes[name] = value
	case 5<<3 | sized:
		s.Principal = r.text()
	case 6<<3 | sized:
		if s.Labels == nil {
			s.Labels = make(map[string]string)
		}
		name, text := label(r)
		s.Labels[name] = text
	case 7<<3 | sized:
		s.CreateTime = moment(r, &a.created)
	case 8<<3 | sized:
		s.LastAccessTime = moment(r, &a.accessed)
	case 9<<3 | sized:
		s.UpdateTime = moment(r, &a.updated)
	case 10<<3 | sized:
		r.seconds(&a.idle.Seconds, &a.idle.Nanos)
		s.IdleTimeout = &a.idle
	case 11<<3 | sized:
		s.AbsoluteExpireTime = moment(r, &a.absoluteExpire)
	case 12<<3 | sized:
		s.ExpireTime = moment(r, &a.expires)
	default:
		r.fail()
	}
}

func moment(r *reader, to *timestamppb.Timestamp) *timestamppb.Timestamp {
	r.seconds(&to.Seconds, &to.Nanos)
	return to
}

func label(r *reader) (name, text string) {
	entry := r.message()
	for entry.more() {
		switch entry.varint() {
		case 1<<3 | sized:
			name = entry.text()
		case 2<<3 | sized:
			text = entry.text()
		default:
			entry.fail()
		}
	}
	r.ended(&entry)
	return name, text
}

func attribute(r *reader) (name string, value *pb.Value) {
	entry := r.message()
	for entry.more() {
		switch tag := entry.varint(); {
		case tag == 1<<3|sized:
			name = entry.text()
		case tag == 2<<3|sized && value == nil:
			value = readValue(&entry)
		default:
			entry.fail()
		}
	}
	r.ended(&entry)
	if value == nil {
		value = new(pb.Value)
	}
	return name, value
}

// readValue reads a text or a whole number by itself, and leaves all others to package proto.
func readValue(r *reader) *pb.Value {
	encoded := r.bytes()
	inner := reader{rest: encoded, shares: r.shares}
	switch inner.varint() {
	case 3<<3 | number:
		out := new(struct {
			value pb.Value
			kind  pb.Value_IntValue
		})
		out.kind.IntValue, out.value.Kind = int64(inner.varint()), &out.kind
		if inner.isAtEnd() {
			return &out.value
		}
	case 5<<3 | sized:
		out := new(struct {
			value pb.Value
			kind  pb.Value_StringValue
		})
		out.kind.StringValue, out.value.Kind = inner.text(), &out.kind
		if inner.isAtEnd() {
			return &out.value
		}
	}
	out := new(pb.Value)
	if proto.Unmarshal([]byte(encoded), out) != nil {
		r.fail()
	}
	return out
}

package scsstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/alexedwards/scs/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sessiond"
	pb "sessiond/gen/sessiond/v1"
	"sessiond/internal/native"
	"sessiond/internal/wire"
)

// Codec is the codec that stores each key by itself; it belongs to this store.
//
// Values that every language can read are stored as such: nil, bool, int, float64, string, []byte, time.Time (which comes
// back in UTC), and []any and map[string]any of these. All others are stored by encoding/gob, with gob.Register as in
// scs's own codec. An int that another language has stored is an int; its opaque data is sessiond.Opaque. Sessions that
// were stored with scs's own codec can be read.
func (s *Store) Codec() scs.Codec { return codec{s} }

type codec struct{ store *Store }

// loaded is a session as it was read.
type loaded struct {
	base     string
	values   map[string]*pb.Value
	idle     time.Duration
	deadline time.Time
}

// scs hands back nothing of what a store or a codec gave it but the deadline and the values, and the keys of the values are
// the user's. So the deadline carries what was loaded: it is in a time zone that exists once, and is UTC in all but name.
func (c codec) Decode(data []byte) (time.Time, map[string]any, error) {
	if !isPacked(data, packedSession) {
		return scs.GobCodec{}.Decode(data)
	}
	found, known, packed := c.store.found.take(data)
	if !known {
		var err error
		if found, err = unpackSession(packed); err != nil {
			return time.Time{}, nil, err
		}
	}
	zone := time.FixedZone("UTC", 0)
	c.store.loaded.Set(zone, found)
	return found.deadline.In(zone), native.DecodeAll(found.values), nil
}

func (c codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	encoded, err := native.EncodeAll(values)
	if err != nil {
		return nil, err
	}
	out := commit{deadline: deadline, values: encoded}
	if was, known := c.store.loaded.Get(deadline.Location()); known {
		out.base, out.idle, out.absolute = was.base, was.idle, was.deadline
		set, removed := native.Difference(was.values, encoded)
		out.changed, out.removed = slices.Collect(maps.Keys(set)), removed
		// Clear takes away what another request adds meanwhile too.
		out.cleared = len(values) == 0 && len(removed) > 0
	}
	data, err := out.pack()
	if err != nil {
		return nil, err
	}
	return c.store.commits.put(data, &out), nil
}

// What the store and its codec give each other begins so; other data is of other codecs.
var (
	packedSession = []byte("\x00sessiond-session\x00")
	packedCommit  = []byte("\x00sessiond-commit\x00")
)

// isPacked tells data that begins so and goes on.
func isPacked(data, begin []byte) bool { return len(data) > len(begin) && bytes.HasPrefix(data, begin) }

// digest names a session without its ID.
func digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// pack is a session for the codec: the data of another codec, or all that this one knows.
func (s *Store) pack(id string, session *sessiond.Session) ([]byte, error) {
	stored := session.Stored()
	if data, isBytes := stored[blob].GetKind().(*pb.Value_BytesValue); isBytes && len(stored) == 1 {
		return data.BytesValue, nil
	}
	found := &loaded{base: digest(id), values: stored, idle: session.IdleTimeout, deadline: session.AbsoluteExpireTime}
	if found.deadline.IsZero() {
		found.deadline = session.ExpireTime
	}
	data, err := found.pack()
	if err != nil {
		return nil, err
	}
	return s.found.put(data, found), nil
}

// pack is a session in the form of the one that the server gives, as far as the codec needs it.
func (l *loaded) pack() ([]byte, error) {
	session := &pb.Session{
		Handle: l.base, IdleTimeout: durationpb.New(l.idle), ExpireTime: timestamppb.New(l.deadline),
	}
	data, err := proto.MarshalOptions{}.MarshalAppend(bytes.Clone(packedSession), session)
	if err != nil {
		return nil, err
	}
	return wire.AppendAttributes(data, attributesField, l.values)
}

// The field of a Session that has the attributes.
const attributesField = 4

// unpackSession reads what pack has made.
func unpackSession(data []byte) (*loaded, error) {
	var session pb.Session
	if err := proto.Unmarshal(data[len(packedSession):], &session); err != nil {
		return nil, errors.New("scsstore: the data is of no session")
	}
	return &loaded{
		base:     session.GetHandle(),
		values:   session.GetAttributes(),
		idle:     session.GetIdleTimeout().AsDuration(),
		deadline: session.GetExpireTime().AsTime(),
	}, nil
}

// commit is what a request leaves of a session.
type commit struct {
	deadline time.Time
	values   map[string]*pb.Value
	// What follows is there if the session was loaded.
	base     string
	idle     time.Duration
	absolute time.Time
	changed  []string
	removed  []string
	cleared  bool
}

// set is the values that have changed.
func (c *commit) set() map[string]*pb.Value {
	set := make(map[string]*pb.Value, len(c.changed))
	for _, name := range c.changed {
		set[name] = c.values[name]
	}
	return set
}

// lastsAlike tells whether a touch makes the session end when scs wants it to. The time that a request takes is no
// difference.
func (c *commit) lastsAlike(wanted sessiond.Timeouts) bool {
	const slack = time.Second
	if c.absolute.Truncate(time.Millisecond) != wanted.AbsoluteExpireTime.UTC().Truncate(time.Millisecond) {
		return false
	}
	left := time.Until(c.absolute)
	return min(c.idle, left)-min(wanted.Idle, left) < slack && min(wanted.Idle, left)-min(c.idle, left) < slack
}

// pack is a commit for the store, in the form that values have anyway.
func (c *commit) pack() ([]byte, error) {
	values := make(sessiond.Map, 0, len(c.values))
	for name, value := range c.values {
		values = append(values, sessiond.Entry{Key: name, Value: value})
	}
	value, err := sessiond.EncodeValue(sessiond.Map{
		{Key: "deadline", Value: c.deadline},
		{Key: "values", Value: values},
		{Key: "base", Value: c.base},
		{Key: "idle", Value: int64(c.idle)},
		{Key: "absolute", Value: c.absolute},
		{Key: "changed", Value: c.changed},
		{Key: "removed", Value: c.removed},
		{Key: "cleared", Value: c.cleared},
	})
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{}.MarshalAppend(bytes.Clone(packedCommit), value)
}

// unpackCommit reads what pack has made, or takes the data of another codec as one value.
func (s *Store) unpackCommit(data []byte) (*commit, error) {
	if !isPacked(data, packedCommit) {
		value, err := sessiond.EncodeValue(data)
		return &commit{values: map[string]*pb.Value{blob: value}}, err
	}
	found, known, packed := s.commits.take(data)
	if known {
		return found, nil
	}
	var message pb.Value
	if err := proto.Unmarshal(packed[len(packedCommit):], &message); err != nil {
		return nil, errors.New("scsstore: the data is of no session")
	}
	out := &commit{values: make(map[string]*pb.Value)}
	for _, entry := range message.GetMapValue().GetEntries() {
		value := entry.GetValue()
		switch entry.GetKey() {
		case "deadline":
			out.deadline = value.GetTimestampValue().AsTime()
		case "values":
			for _, attribute := range value.GetMapValue().GetEntries() {
				out.values[attribute.GetKey()] = attribute.GetValue()
			}
		case "base":
			out.base = value.GetStringValue()
		case "idle":
			out.idle = time.Duration(value.GetIntValue())
		case "absolute":
			out.absolute = value.GetTimestampValue().AsTime()
		case "changed":
			out.changed = texts(value)
		case "removed":
			out.removed = texts(value)
		case "cleared":
			out.cleared = value.GetBoolValue()
		}
	}
	return out, nil
}

func texts(list *pb.Value) []string {
	var out []string
	for _, item := range list.GetListValue().GetItems() {
		out = append(out, item.GetStringValue())
	}
	return out
}

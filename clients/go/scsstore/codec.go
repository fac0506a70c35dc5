package scsstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/alexedwards/scs/v2"
	"google.golang.org/protobuf/encoding/protowire"
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
	out := commit{Deadline: deadline, values: encoded}
	if was, known := c.store.loaded.Get(deadline.Location()); known {
		out.Base, out.Idle, out.Absolute = was.base, was.idle, was.deadline
		set, removed := native.Difference(was.values, encoded)
		out.Changed, out.Removed = slices.Collect(maps.Keys(set)), removed
		// Clear takes away what another request adds meanwhile too.
		out.Cleared = len(values) == 0 && len(removed) > 0
	}
	data, err := out.pack()
	if err != nil {
		return nil, err
	}
	return c.store.commits.put(data, &out), nil
}

var errOtherData = errors.New("scsstore: the data is of no session")

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
		return nil, errOtherData
	}
	return &loaded{
		base:     session.GetHandle(),
		values:   session.GetAttributes(),
		idle:     session.GetIdleTimeout().AsDuration(),
		deadline: session.GetExpireTime().AsTime(),
	}, nil
}

// commit is what a request leaves of a session. Its exported fields are packed.
type commit struct {
	values   map[string]*pb.Value
	Deadline time.Time
	// What follows is there if the session was loaded.
	Base     string        `json:",omitempty"`
	Idle     time.Duration `json:",omitempty"`
	Absolute time.Time     `json:",omitzero"`
	Changed  []string      `json:",omitempty"`
	Removed  []string      `json:",omitempty"`
	Cleared  bool          `json:",omitempty"`
}

// set is the values that have changed.
func (c *commit) set() map[string]*pb.Value {
	set := make(map[string]*pb.Value, len(c.Changed))
	for _, name := range c.Changed {
		set[name] = c.values[name]
	}
	return set
}

// lastsAlike tells whether a touch makes the session end when scs wants it to. The time that a request takes is no
// difference.
func (c *commit) lastsAlike(wanted sessiond.Timeouts) bool {
	const slack = time.Second
	if c.Absolute.Truncate(time.Millisecond) != wanted.AbsoluteExpireTime.UTC().Truncate(time.Millisecond) {
		return false
	}
	left := time.Until(c.Absolute)
	return min(c.Idle, left)-min(wanted.Idle, left) < slack && min(wanted.Idle, left)-min(c.Idle, left) < slack
}

// pack is a commit for the store: all but the values, and the values as those of a session.
func (c *commit) pack() ([]byte, error) {
	rest, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	data := protowire.AppendBytes(bytes.Clone(packedCommit), rest)
	return wire.AppendAttributes(data, attributesField, c.values)
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
	rest, length := protowire.ConsumeBytes(packed[len(packedCommit):])
	if length < 0 {
		return nil, errOtherData
	}
	var session pb.Session
	if proto.Unmarshal(packed[len(packedCommit)+length:], &session) != nil {
		return nil, errOtherData
	}
	out := &commit{values: session.GetAttributes()}
	if json.Unmarshal(rest, out) != nil {
		return nil, errOtherData
	}
	return out, nil
}

package sessiond

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// The lane's messages are put together, and taken apart, without reading the calls and replies in them: each caller encodes
// its own call and reads its own reply, and owns what it has passed as soon as the call is encoded.

// Fields of Call, and of Reply.
const (
	tagField     = 1
	timeoutField = 2
)

// The field of an ExchangeRequest that has the calls, and of an ExchangeResponse that has the replies.
const itemsField = 1

// reply is a reply as it came: the field that has the result, and the result encoded.
type reply struct {
	tag    uint64
	field  protowire.Number
	result string
}

// laneCodec makes gRPC send and receive the lane's messages as they are.
type laneCodec struct{}

func (laneCodec) Name() string { return "proto" }

func (laneCodec) Marshal(message any) (mem.BufferSlice, error) {
	encoded, isEncoded := message.([]byte)
	if !isEncoded {
		return nil, fmt.Errorf("the lane does not send a %T", message)
	}
	return mem.BufferSlice{mem.SliceBuffer(encoded)}, nil
}

func (laneCodec) Unmarshal(data mem.BufferSlice, into any) error {
	replies, isReplies := into.(*[]reply)
	if !isReplies {
		return fmt.Errorf("the lane does not receive a %T", into)
	}
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	var err error
	*replies, err = readReplies(buffer.ReadOnlyData(), (*replies)[:0])
	return err
}

func readReplies(message []byte, to []reply) ([]reply, error) {
	err := eachField(message, func(field protowire.Number, kind protowire.Type, content []byte) error {
		if field != itemsField || kind != protowire.BytesType {
			return nil
		}
		found, err := readReply(content)
		to = append(to, found)
		return err
	})
	return to, err
}

func readReply(message []byte) (reply, error) {
	var out reply
	err := eachField(message, func(field protowire.Number, kind protowire.Type, content []byte) error {
		switch {
		case field == tagField && kind == protowire.VarintType:
			out.tag, _ = protowire.ConsumeVarint(content)
		case kind == protowire.BytesType:
			out.field, out.result = field, string(content)
		}
		return nil
	})
	return out, err
}

// eachField calls with each field of a message: what it has after its length, or all of it if it tells no length.
func eachField(message []byte, do func(field protowire.Number, kind protowire.Type, content []byte) error) error {
	for len(message) > 0 {
		field, kind, length := protowire.ConsumeTag(message)
		if length < 0 {
			return protowire.ParseError(length)
		}
		message = message[length:]
		if length = protowire.ConsumeFieldValue(field, kind, message); length < 0 {
			return protowire.ParseError(length)
		}
		content := message[:length]
		if kind == protowire.BytesType {
			content, _ = protowire.ConsumeBytes(content)
		}
		if err := do(field, kind, content); err != nil {
			return err
		}
		message = message[length:]
	}
	return nil
}

// appendCall puts an encoded call, which has no tag yet, into a message.
func appendCall(message []byte, tag uint64, call []byte) []byte {
	message = protowire.AppendTag(message, itemsField, protowire.BytesType)
	message = protowire.AppendVarint(message, uint64(protowire.SizeTag(tagField)+protowire.SizeVarint(tag)+len(call)))
	message = protowire.AppendTag(message, tagField, protowire.VarintType)
	message = protowire.AppendVarint(message, tag)
	return append(message, call...)
}

// appendTimeout tells the server how much time is left; it may refuse less than a millisecond.
func appendTimeout(call []byte, ctx context.Context) []byte {
	deadline, ok := ctx.Deadline()
	if !ok {
		return call
	}
	left := max(time.Until(deadline), time.Millisecond)
	seconds, nanos := uint64(left/time.Second), uint64(left%time.Second)
	call = protowire.AppendTag(call, timeoutField, protowire.BytesType)
	call = protowire.AppendVarint(call, uint64(2*protowire.SizeTag(1)+protowire.SizeVarint(seconds)+protowire.SizeVarint(nanos)))
	call = protowire.AppendTag(call, 1, protowire.VarintType)
	call = protowire.AppendVarint(call, seconds)
	call = protowire.AppendTag(call, 2, protowire.VarintType)
	return protowire.AppendVarint(call, nanos)
}

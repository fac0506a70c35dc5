package sessiond

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

var placeholder = regexp.MustCompile(`\$\{([a-z]\w*)([+-][0-9.]+s)?\}`)

// expand fills in what a template leaves open: ${name}, ${time+60s}, and values too long to write down.
func (r *run) expand(template any) (any, error) {
	switch template := template.(type) {
	case string:
		return r.expandText(template)
	case []any:
		out := make([]any, len(template))
		for i, item := range template {
			var err error
			if out[i], err = r.expand(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if generated, isGenerated, err := r.generate(template); isGenerated || err != nil {
			return generated, err
		}
		out := make(map[string]any, len(template))
		for name, item := range template {
			expandedName, err := r.expandText(name)
			if err != nil {
				return nil, err
			}
			if out[expandedName], err = r.expand(item); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return template, nil
	}
}

// generate makes what stands for a long value; each is an object with one of these names.
func (r *run) generate(template map[string]any) (any, bool, error) {
	number := func(name string) int {
		value, _ := template[name].(float64)
		return int(value)
	}
	switch {
	case template["$session"] != nil:
		created, err := r.client.In("").Create(r.t.Context(), NewSession{})
		if err != nil {
			return nil, true, err
		}
		return string(created.ID), true, nil
	case template["$repeat"] != nil:
		return strings.Repeat(fmt.Sprint(template["$repeat"]), number("times")), true, nil
	case template["$bytes"] != nil:
		return base64.StdEncoding.EncodeToString(make([]byte, number("$bytes"))), true, nil
	case template["$nested"] != nil:
		var value any = map[string]any{"boolValue": true}
		for range number("$nested") - 1 {
			value = map[string]any{"listValue": map[string]any{"items": []any{value}}}
		}
		return value, true, nil
	case template["$list"] != nil:
		item, err := r.expand(template["of"])
		return slices.Repeat([]any{item}, number("$list")), true, err
	case template["$map"] != nil:
		item, err := r.expand(template["value"])
		prefix, prefixErr := r.expand(template["prefix"])
		out := make(map[string]any, number("$map"))
		for i := range number("$map") {
			out[fmt.Sprintf("%v%d", prefix, i)] = item
		}
		return out, true, errors.Join(err, prefixErr)
	default:
		return nil, false, nil
	}
}

func (r *run) expandText(text string) (string, error) {
	var problem error
	expanded := placeholder.ReplaceAllStringFunc(text, func(found string) string {
		parts := placeholder.FindStringSubmatch(found)
		value, known := r.lookUp(parts[1])
		if !known {
			problem = fmt.Errorf("%s is not set", found)
		}
		if parts[2] == "" || !known {
			return value
		}
		moment, err := time.Parse(time.RFC3339Nano, value)
		offset, offsetErr := time.ParseDuration(parts[2])
		problem = errors.Join(problem, err, offsetErr)
		return moment.Add(offset).Format(time.RFC3339Nano)
	})
	return expanded, problem
}

func (r *run) lookUp(name string) (string, bool) {
	if name == "now" {
		return time.Now().UTC().Format(time.RFC3339Nano), true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	value, known := r.vars[name]
	return value, known
}

// match tells where an answer is not what is expected; more than that may stand in it.
func (r *run) match(wanted, found any, path string) error {
	switch wanted := wanted.(type) {
	case map[string]any:
		if matcher, isMatcher := matcherIn(wanted); isMatcher {
			return r.matchSpecial(matcher, wanted, found, path)
		}
		fields, isObject := found.(map[string]any)
		if !isObject {
			return fmt.Errorf("%s is %v, no object", path, found)
		}
		for name, want := range wanted {
			if name == "$only" {
				continue
			}
			if err := r.match(want, fields[name], path+"."+name); err != nil {
				return err
			}
		}
		if wanted["$only"] == true {
			for name := range fields {
				if _, isWanted := wanted[name]; !isWanted {
					return fmt.Errorf("%s.%s is there", path, name)
				}
			}
		}
		return nil
	case []any:
		items, _ := found.([]any)
		if len(items) != len(wanted) {
			return fmt.Errorf("%s has %d entries, not %d: %v", path, len(items), len(wanted), found)
		}
		for i := range wanted {
			if err := r.match(wanted[i], items[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case string:
		expanded, err := r.expandText(wanted)
		if err != nil {
			return err
		}
		if !isSame(expanded, found) {
			return fmt.Errorf("%s is %v, not %s", path, found, expanded)
		}
		return nil
	default:
		if !reflect.DeepEqual(wanted, found) {
			return fmt.Errorf("%s is %v, not %v", path, found, wanted)
		}
		return nil
	}
}

// isSame compares texts, and times as times: they can be written in several ways.
func isSame(wanted string, found any) bool {
	if wanted == found {
		return true
	}
	text, isText := found.(string)
	one, err := time.Parse(time.RFC3339Nano, wanted)
	other, otherErr := time.Parse(time.RFC3339Nano, text)
	return isText && err == nil && otherErr == nil && one.Equal(other)
}

func matcherIn(wanted map[string]any) (string, bool) {
	for _, name := range []string{"$present", "$absent", "$not", "$contains", "$near", "$after"} {
		if _, isThere := wanted[name]; isThere {
			return name, true
		}
	}
	return "", false
}

func (r *run) matchSpecial(matcher string, wanted map[string]any, found any, path string) error {
	switch matcher {
	case "$present":
		if found == nil {
			return fmt.Errorf("%s is missing", path)
		}
		return nil
	case "$absent":
		if found != nil {
			return fmt.Errorf("%s is there: %v", path, found)
		}
		return nil
	case "$not":
		if r.match(wanted["$not"], found, path) == nil {
			return fmt.Errorf("%s is %v", path, found)
		}
		return nil
	case "$contains":
		items, _ := found.([]any)
		for i, item := range items {
			if r.match(wanted["$contains"], item, fmt.Sprintf("%s[%d]", path, i)) == nil {
				return nil
			}
		}
		return fmt.Errorf("%s does not contain %v", path, wanted["$contains"])
	}
	text, err := r.expandText(fmt.Sprint(wanted[matcher]))
	if err != nil {
		return err
	}
	want, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return err
	}
	got, err := time.Parse(time.RFC3339Nano, fmt.Sprint(found))
	if err != nil {
		return fmt.Errorf("%s is no time: %w", path, err)
	}
	if matcher == "$after" {
		if !got.After(want) {
			return fmt.Errorf("%s is %v, not after %v", path, got, want)
		}
		return nil
	}
	within, err := time.ParseDuration(fmt.Sprint(wanted["within"]))
	if err == nil && got.Sub(want).Abs() > within {
		return fmt.Errorf("%s is %v, not within %v of %v", path, got, within, want)
	}
	return err
}

// matchError compares an error: by its reason, and by its code, fields and metadata where the case names them.
func (r *run) matchError(wanted any, failed error) error {
	var found *Error
	if !errors.As(failed, &found) {
		return fmt.Errorf("%w is no Error", failed)
	}
	want, isObject := wanted.(map[string]any)
	if !isObject {
		want = map[string]any{"reason": wanted}
	}
	if want["reason"] != string(found.Reason) || !errors.Is(failed, found.Reason) {
		return fmt.Errorf("the reason is %s (%w), not %v", string(found.Reason), failed, want["reason"])
	}
	if want["code"] != nil {
		var code codes.Code
		text, _ := json.Marshal(want["code"])
		if err := code.UnmarshalJSON(text); err != nil || code != found.Code {
			return fmt.Errorf("the code is %v, not %v", found.Code, want["code"])
		}
	}
	fields, _ := want["fields"].([]any)
	for _, field := range fields {
		if !slices.ContainsFunc(found.Fields, func(f Field) bool { return f.Name == field && f.Problem != "" }) {
			return fmt.Errorf("the fields are %v, not %v", found.Fields, fields)
		}
	}
	if want["metadata"] != nil {
		metadata := make(map[string]any, len(found.Metadata))
		for name, value := range found.Metadata {
			metadata[name] = value
		}
		return r.match(want["metadata"], metadata, "metadata")
	}
	return nil
}

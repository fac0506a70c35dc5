package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/alexedwards/scs/redisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/gin-contrib/sessions"
	ginredis "github.com/gin-contrib/sessions/redis"
	"github.com/gin-gonic/gin"
	"github.com/gomodule/redigo/redis"

	"sessiond"
	"sessiond/ginstore"
	"sessiond/scsstore"
)

// Connections to Redis that are kept.
const pooled = 64

// site is the site that is measured: one page reads the session, one changes it.
type site struct {
	handler http.Handler
	// load reads the session that a cookie names, as the framework does before the page.
	load  func(cookie string) error
	close func()
}

// About a kilobyte, as sessions have it.
func data() map[string]string {
	out := make(map[string]string)
	for i := range 8 {
		out[fmt.Sprint("key", i)] = strings.Repeat(string(rune('a'+i)), 110)
	}
	return out
}

func newSite(framework string, server *server) (*site, error) {
	if framework == "scs" {
		return scsSite(server)
	}
	return ginSite(server)
}

func scsSite(server *server) (*site, error) {
	manager := scs.New()
	out := &site{}
	if server.kind == "redis" {
		pool := &redis.Pool{MaxIdle: pooled, Dial: func() (redis.Conn, error) { return redis.Dial("tcp", server.address) }}
		manager.Store = redisstore.New(pool)
		out.close = func() { _ = pool.Close() }
	} else {
		client, err := sessiond.New(server.address)
		if err != nil {
			return nil, err
		}
		store := scsstore.New(client)
		manager.Store, manager.Codec = store, store.Codec()
		out.close = func() { _ = client.Close() }
	}
	out.load = func(token string) error {
		_, err := manager.Load(context.Background(), token)
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/new", func(_ http.ResponseWriter, r *http.Request) {
		for key, value := range data() {
			manager.Put(r.Context(), key, value)
		}
	})
	mux.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, manager.GetString(r.Context(), "key1"))
	})
	mux.HandleFunc("/write", func(_ http.ResponseWriter, r *http.Request) {
		manager.Put(r.Context(), "visits", manager.GetInt(r.Context(), "visits")+1)
	})
	out.handler = manager.LoadAndSave(mux)
	return out, nil
}

func ginSite(server *server) (*site, error) {
	gin.SetMode(gin.ReleaseMode)
	key := []byte("a key of thirty-two bytes, no less")
	out := &site{close: func() {}}
	var store sessions.Store
	if server.kind == "redis" {
		pool := &redis.Pool{MaxIdle: pooled, Dial: func() (redis.Conn, error) { return redis.Dial("tcp", server.address) }}
		found, err := ginredis.NewStoreWithPool(pool, key)
		if err != nil {
			return nil, err
		}
		store, out.close = found.(sessions.Store), func() { _ = pool.Close() }
	} else {
		client, err := sessiond.New(server.address)
		if err != nil {
			return nil, err
		}
		store, out.close = ginstore.New(client, key), func() { _ = client.Close() }
	}
	store.Options(sessions.Options{Path: "/", MaxAge: 3600})
	out.load = func(cookie string) error {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
		_, err := store.New(r, "session")
		return err
	}
	router := gin.New()
	router.Use(sessions.Sessions("session", store))
	save := func(c *gin.Context) {
		if err := sessions.Default(c).Save(); err != nil {
			c.AbortWithStatus(http.StatusInternalServerError)
		}
	}
	router.GET("/new", func(c *gin.Context) {
		for key, value := range data() {
			sessions.Default(c).Set(key, value)
		}
		save(c)
	})
	router.GET("/read", func(c *gin.Context) {
		text, _ := sessions.Default(c).Get("key1").(string)
		c.String(http.StatusOK, text)
	})
	router.GET("/write", func(c *gin.Context) {
		visits, _ := sessions.Default(c).Get("visits").(int)
		sessions.Default(c).Set("visits", visits+1)
		save(c)
	})
	out.handler = router
	return out, nil
}

// request is one whole request, as the site serves it.
func (s *site) request(path, cookie string) (*http.Response, error) {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	s.handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", path, w.Code)
	}
	return w.Result(), nil
}

// visitors makes sessions; their cookies.
func (s *site) visitors(count int) ([]string, error) {
	// The first call connects.
	time.Sleep(100 * time.Millisecond)
	cookies := make([]string, count)
	for i := range cookies {
		answer, err := s.request("/new", "")
		if err != nil {
			return nil, err
		}
		cookies[i] = answer.Cookies()[0].Value
	}
	return cookies, nil
}

package ginstore_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-contrib/sessions"
	"github.com/gin-contrib/sessions/tester"
	"github.com/gin-gonic/gin"

	"sessiond"
	"sessiond/ginstore"
	"sessiond/internal/testserver"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	testserver.Main(m)
}

func newStore(t *testing.T) (*ginstore.Store, *sessiond.Client) {
	t.Helper()
	client, err := sessiond.New(testserver.Shared().Address,
		sessiond.WithNamespace(testserver.Namespace()), sessiond.WithTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return ginstore.New(client, []byte("secret")), client
}

// The suite that gin-contrib/sessions has for its stores, as it is.
func TestSuiteOfGin(t *testing.T) {
	factory := func(t *testing.T) sessions.Store {
		store, _ := newStore(t)
		return store
	}
	t.Run("GetSet", func(t *testing.T) { tester.GetSet(t, factory) })
	t.Run("DeleteKey", func(t *testing.T) { tester.DeleteKey(t, factory) })
	t.Run("Flashes", func(t *testing.T) { tester.Flashes(t, factory) })
	t.Run("Clear", func(t *testing.T) { tester.Clear(t, factory) })
	t.Run("Options", func(t *testing.T) { tester.Options(t, factory) })
	t.Run("Many", func(t *testing.T) { tester.Many(t, factory) })
	t.Run("ManyStores", func(t *testing.T) { tester.ManyStores(t, factory) })
}

// gin-contrib/sessions#117: a site must be able to end all sessions of a user.
func TestLogInAndRevocation(t *testing.T) {
	store, client := newStore(t)
	store.PrincipalKey = "user"
	store.Options(sessions.Options{Path: "/", MaxAge: 3600})
	router := gin.New()
	router.Use(sessions.Sessions("session", store))
	router.POST("/cart", func(c *gin.Context) {
		sessions.Default(c).Set("cart", 3)
		if err := sessions.Default(c).Save(); err != nil {
			t.Error(err)
		}
	})
	router.POST("/log-in", func(c *gin.Context) {
		sessions.Default(c).Set("user", "ada")
		if err := store.Renew(c, "session"); err != nil {
			t.Error(err)
		}
	})
	router.GET("/", func(c *gin.Context) {
		c.JSON(http.StatusOK, gin.H{"user": sessions.Default(c).Get("user"), "cart": sessions.Default(c).Get("cart")})
	})
	cookie := ""
	send := func(method, path, cookie string) (body, next string) {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, path, nil)
		r.Header.Set("Cookie", cookie)
		router.ServeHTTP(w, r)
		if set := w.Result().Cookies(); len(set) > 0 {
			cookie = set[0].Name + "=" + set[0].Value
		}
		return w.Body.String(), cookie
	}
	_, cookie = send(http.MethodPost, "/cart", "")
	old := cookie
	_, cookie = send(http.MethodPost, "/log-in", cookie)
	if body, _ := send(http.MethodGet, "/", cookie); body != `{"cart":3,"user":"ada"}` {
		t.Errorf("it is %s", body)
	}
	if body, _ := send(http.MethodGet, "/", old); body != `{"cart":null,"user":null}` {
		t.Errorf("by the old cookie it is %s", body)
	}
	session, err := client.ListPage(t.Context(), sessiond.List{Principal: "ada"}, "")
	if err != nil || len(session.Sessions) != 1 || session.Sessions[0].IdleTimeout != time.Hour {
		t.Errorf("the sessions are %+v, %v", session, err)
	}
	if _, err := client.Revoke(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if body, _ := send(http.MethodGet, "/", cookie); body != `{"cart":null,"user":null}` {
		t.Errorf("after the revocation it is %s", body)
	}
}

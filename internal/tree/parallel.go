package tree

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// parallel calls do for 0…n-1, some at a time, in runs of neighbours: they lie in one directory, and two writers of
// one directory wait for each other. Each goroutine has a buffer that do may grow. The error is that of the lowest
// number among those that were called; after an error no new run starts.
func parallel(n int, do func(i int, buf *[]byte) error) error {
	const run = 64
	var (
		wg     sync.WaitGroup
		next   atomic.Int64
		mu     sync.Mutex
		failed = n
		first  error
		stop   atomic.Bool
	)
	for range min(runtime.GOMAXPROCS(0), (n+run-1)/run) {
		wg.Go(func() {
			var buf []byte
			for !stop.Load() {
				lo := int(next.Add(run)) - run
				if lo >= n {
					return
				}
				for i := lo; i < min(lo+run, n); i++ {
					if err := do(i, &buf); err != nil {
						stop.Store(true)
						mu.Lock()
						if i < failed {
							failed, first = i, err
						}
						mu.Unlock()
						return
					}
				}
			}
		})
	}
	wg.Wait()
	return first
}

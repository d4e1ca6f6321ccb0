/* Multiply-adds that a processor can do at most, in GFLOP/s: "float32 bfloat16", 0 for what it does not have.

   cc -O3 -march=native -pthread peak.c -o peak && ./peak THREADS
   Each thread keeps many independent sums in registers; no memory is touched. The time is that of the processor, which
   leaves out what other programs take. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

enum { SUMS = 16, ROUNDS = 20000000, TRIES = 5 };

#ifdef __AVX512F__
static volatile float kept;

static void *float32(void *unused)
{
    (void)unused;
    __m512 sums[SUMS], factor = _mm512_set1_ps(0.999f), term = _mm512_set1_ps(0.001f);
    for (int n = 0; n < SUMS; n++)
        sums[n] = _mm512_set1_ps((float)n);
    for (long round = 0; round < ROUNDS; round++)
        for (int n = 0; n < SUMS; n++)
            sums[n] = _mm512_fmadd_ps(sums[n], factor, term);
    for (int n = 0; n < SUMS; n++)
        kept = _mm512_reduce_add_ps(sums[n]);
    return NULL;
}
#endif

#ifdef __AVX512BF16__
static void *bfloat16(void *unused)
{
    (void)unused;
    __m512 sums[SUMS], one = _mm512_set1_ps(1.0f);
    __m512bh factor = _mm512_cvtne2ps_pbh(one, one);
    for (int n = 0; n < SUMS; n++)
        sums[n] = _mm512_set1_ps((float)n);
    for (long round = 0; round < ROUNDS; round++) {
        for (int n = 0; n < SUMS; n++)
            sums[n] = _mm512_dpbf16_ps(sums[n], factor, factor);
        __asm__ volatile("" : "+v"(factor)); /* else the sum of a loop is one product */
    }
    for (int n = 0; n < SUMS; n++)
        kept = _mm512_reduce_add_ps(sums[n]);
    return NULL;
}
#endif

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double best(void *(*work)(void *), int threads, double operations)
{
    double most = 0;
    pthread_t *ids = malloc(sizeof *ids * (size_t)threads);
    for (int attempt = 0; attempt < TRIES; attempt++) {
        double start = seconds();
        for (int n = 0; n < threads; n++)
            if (pthread_create(&ids[n], NULL, work, NULL))
                exit(1);
        for (int n = 0; n < threads; n++)
            pthread_join(ids[n], NULL);
        double found = operations * threads * threads / (seconds() - start) / 1e9;
        most = found > most ? found : most;
    }
    free(ids);
    return most;
}

int main(int count, char **words)
{
    int threads = count > 1 ? atoi(words[1]) : 1;
    double single = 0, half = 0;
    if (threads < 1)
        return 2;
#ifdef __AVX512F__
    single = best(float32, threads, 2.0 * 16 * SUMS * (double)ROUNDS);
#endif
#ifdef __AVX512BF16__
    half = best(bfloat16, threads, 2.0 * 32 * SUMS * (double)ROUNDS);
#endif
    printf("%.1f %.1f\n", single, half);
    return 0;
}

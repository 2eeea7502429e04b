/* Counts the words of input 0 (runs of ASCII letters, folded to lower case) and writes "count word" lines, the most
 * frequent first, equal counts in alphabetical order. */
#include "hanse.h"

#define BUCKETS 65536u

struct word {
  struct word* next;
  const u8* text;
  u32 size, count;
};

static struct word* table[BUCKETS];

static u32 is_letter(u8 c) { return (u32)((c | 32) - 'a') < 26u; }

static i32 same(const struct word* w, const u8* text, u32 size) {
  if (w->size != size) return 0;
  for (u32 i = 0; i < size; ++i)
    if (w->text[i] != text[i]) return 0;
  return 1;
}

static u32 count_word(const u8* text, u32 size) {
  u32 h = 2166136261u;
  for (u32 i = 0; i < size; ++i) h = (h ^ text[i]) * 16777619u;
  h ^= h >> 16;
  struct word** at = &table[h % BUCKETS];
  for (; *at; at = &(*at)->next)
    if (same(*at, text, size)) {
      (*at)->count++;
      return 0;
    }
  struct word* w = hanse_alloc(sizeof *w);
  w->next = 0;
  w->text = text;
  w->size = size;
  w->count = 1;
  *at = w;
  return 1;
}

static i32 before(const struct word* a, const struct word* b) {
  if (a->count != b->count) return a->count > b->count;
  for (u32 i = 0; i < a->size && i < b->size; ++i)
    if (a->text[i] != b->text[i]) return a->text[i] < b->text[i];
  return a->size < b->size;
}

static void sift(struct word** w, u32 root, u32 n) {
  for (;;) {
    u32 child = 2 * root + 1;
    if (child >= n) return;
    if (child + 1 < n && before(w[child], w[child + 1])) child++;
    if (!before(w[root], w[child])) return;
    struct word* t = w[root];
    w[root] = w[child];
    w[child] = t;
    root = child;
  }
}

static void sort(struct word** w, u32 n) {
  for (u32 i = n / 2; i-- > 0;) sift(w, i, n);
  for (u32 end = n; end > 1;) {
    --end;
    struct word* t = w[0];
    w[0] = w[end];
    w[end] = t;
    sift(w, 0, end);
  }
}

static void write_line(const struct word* w) {
  u8 digits[12];
  u32 at = sizeof digits;
  digits[--at] = ' ';
  for (u32 n = w->count; n; n /= 10) digits[--at] = (u8)('0' + n % 10);
  hanse_write_output(0, digits + at, (u32)sizeof digits - at);
  hanse_write_output(0, w->text, w->size);
  hanse_write_output(0, "\n", 1);
}

HANSE_EXPORT(run) void run(void) {
  u32 size;
  u8* text = hanse_load_input(0, &size);
  u32 words = 0;
  for (u32 i = 0; i < size;) {
    while (i < size && !is_letter(text[i])) ++i;
    u32 begin = i;
    while (i < size && is_letter(text[i])) text[i++] |= 32;
    if (i > begin) words += count_word(text + begin, i - begin);
  }
  struct word** all = hanse_alloc(words * (u32)sizeof *all);
  u32 n = 0;
  for (u32 b = 0; b < BUCKETS; ++b)
    for (struct word* w = table[b]; w; w = w->next) all[n++] = w;
  sort(all, n);
  for (u32 i = 0; i < n; ++i) write_line(all[i]);
}

#include "renderer.h"

#include <math.h>

typedef struct {
  float x, y, z;
} Vec;

static const float kNoHit = 1e9f;
static const float kMinDistance = 1e-3f;  // a ray does not hit the surface it starts on
static const float kPi = 3.14159265358979f;

// ---- Palette (linear-ish RGB; the camera applies a gamma of 0.85), in the order of grammar.py.
static const Vec kColours[kToyboxNumColours] = {{.90f, .06f, .05f}, {1.0f, .42f, .02f}, {.98f, .84f, .05f},
                                                {.08f, .65f, .12f}, {.06f, .22f, .92f}, {.52f, .08f, .78f}};
static const Vec kFloors[kToyboxNumFloors] = {
    {.55f, .55f, .56f}, {.32f, .66f, .30f}, {.34f, .52f, .80f}, {.90f, .55f, .62f}, {.55f, .36f, .22f}};
static const struct {
  Vec zenith, horizon;
} kSkies[kToyboxNumSkies] = {{{.22f, .50f, .92f}, {.86f, .93f, 1.0f}},
                             {{.42f, .25f, .52f}, {1.0f, .66f, .36f}},
                             {{.01f, .02f, .08f}, {.14f, .17f, .34f}}};

enum { kSphere, kCube, kCylinder, kCone };
enum { kRight, kLeft, kBounce, kGrow, kShrink, kSpin, kCircle };
enum { kRest, kOrbit, kZoomIn, kZoomOut, kPanRight, kPanLeft };  // the camera's moves
enum { kAlone, kLeftOf, kRightOf, kInFrontOf, kBehind, kOnTopOf };

// Solids in object space, for size 1.
static const float kCubeHalf = .8f;
static const float kCylinderRadius = .75f, kCylinderHalf = .9f;
static const float kConeBase = -.9f, kConeTip = 1.0f, kConeRadius = .95f;
static const float kBoundingRadius = 1.45f;
// Height of the centre over the floor when the solid rests on it.
static const float kRestHeight[kToyboxNumShapes] = {1.0f, .8f, .9f, .9f};

// ---- Vectors.
static inline Vec V(float x, float y, float z) { return (Vec){x, y, z}; }
static inline Vec Add(Vec a, Vec b) { return V(a.x + b.x, a.y + b.y, a.z + b.z); }
static inline Vec Sub(Vec a, Vec b) { return V(a.x - b.x, a.y - b.y, a.z - b.z); }
static inline Vec Scale(Vec a, float s) { return V(a.x * s, a.y * s, a.z * s); }
static inline Vec Times(Vec a, Vec b) { return V(a.x * b.x, a.y * b.y, a.z * b.z); }
static inline float Dot(Vec a, Vec b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
static inline Vec Cross(Vec a, Vec b) {
  return V(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}
static inline Vec Unit(Vec a) { return Scale(a, 1.f / sqrtf(Dot(a, a))); }
static inline Vec Mix(Vec a, Vec b, float t) { return Add(Scale(a, 1 - t), Scale(b, t)); }
static inline float Clamp(float x, float low, float high) { return x < low ? low : (x > high ? high : x); }
static inline Vec Reflect(Vec direction, Vec normal) { return Sub(direction, Scale(normal, 2 * Dot(direction, normal))); }

typedef struct {
  int shape;
  Vec centre, colour;
  float size;
  float rotation[9];
} Solid;

static inline Vec ToObject(const Solid* s, Vec v) {
  const float* r = s->rotation;
  return V(r[0] * v.x + r[3] * v.y + r[6] * v.z, r[1] * v.x + r[4] * v.y + r[7] * v.z,
           r[2] * v.x + r[5] * v.y + r[8] * v.z);
}
static inline Vec ToWorld(const Solid* s, Vec v) {
  const float* r = s->rotation;
  return V(r[0] * v.x + r[1] * v.y + r[2] * v.z, r[3] * v.x + r[4] * v.y + r[5] * v.z,
           r[6] * v.x + r[7] * v.y + r[8] * v.z);
}

// ---- Ray against a solid of size 1 in object space: distance and outward normal (any length), kNoHit when it misses.
typedef struct {
  float distance;
  Vec normal;
} Hit;

static Hit HitSphere(Vec p, Vec d) {
  Hit hit = {kNoHit, {0, 1, 0}};
  float a = Dot(d, d), half_b = Dot(p, d), disc = half_b * half_b - a * (Dot(p, p) - 1);
  if (disc < 0) return hit;
  float t = (-half_b - sqrtf(disc)) / a;
  if (t < kMinDistance) return hit;
  return (Hit){t, Add(p, Scale(d, t))};
}

static Hit HitCube(Vec p, Vec d) {
  Hit hit = {kNoHit, {0, 1, 0}};
  const float from[3] = {p.x, p.y, p.z}, along[3] = {d.x, d.y, d.z};
  float enter = -kNoHit, leave = kNoHit, sign = 1;
  int axis = 0;
  for (int i = 0; i < 3; ++i) {
    float inverse = 1.f / (fabsf(along[i]) < 1e-8f ? 1e-8f : along[i]);
    float near = (-kCubeHalf - from[i]) * inverse, far = (kCubeHalf - from[i]) * inverse, face = -1;
    if (near > far) {
      float swap = near;
      near = far, far = swap, face = 1;
    }
    if (near > enter) enter = near, axis = i, sign = face;
    if (far < leave) leave = far;
  }
  if (enter > leave || enter < kMinDistance) return hit;
  return (Hit){enter, V(axis == 0 ? sign : 0, axis == 1 ? sign : 0, axis == 2 ? sign : 0)};
}

// A horizontal disc at height y; keeps the nearer of it and `hit`.
static Hit NearerDisc(Hit hit, Vec p, Vec d, float y, float radius, float normal_y) {
  if (fabsf(d.y) <= 1e-8f) return hit;
  float t = (y - p.y) / d.y;
  if (t <= kMinDistance || t >= hit.distance) return hit;
  float x = p.x + t * d.x, z = p.z + t * d.z;
  return x * x + z * z <= radius * radius ? (Hit){t, V(0, normal_y, 0)} : hit;
}

static Hit HitCylinder(Vec p, Vec d) {
  Hit hit = {kNoHit, {0, 1, 0}};
  float a = d.x * d.x + d.z * d.z, half_b = p.x * d.x + p.z * d.z;
  float disc = half_b * half_b - a * (p.x * p.x + p.z * p.z - kCylinderRadius * kCylinderRadius);
  if (disc >= 0 && a > 1e-9f) {
    float t = (-half_b - sqrtf(disc)) / a;
    if (t > kMinDistance && fabsf(p.y + t * d.y) <= kCylinderHalf) hit = (Hit){t, V(p.x + t * d.x, 0, p.z + t * d.z)};
  }
  hit = NearerDisc(hit, p, d, -kCylinderHalf, kCylinderRadius, -1);
  return NearerDisc(hit, p, d, kCylinderHalf, kCylinderRadius, 1);
}

// The side is x² + z² = k² (tip − y)², k the slope of its radius.
static Hit HitCone(Vec p, Vec d) {
  Hit hit = {kNoHit, {0, 1, 0}};
  const float slope = kConeRadius / (kConeTip - kConeBase), k2 = slope * slope;
  float y = p.y - kConeTip, a = d.x * d.x + d.z * d.z - k2 * d.y * d.y;
  float half_b = p.x * d.x + p.z * d.z - k2 * y * d.y;
  float disc = half_b * half_b - a * (p.x * p.x + p.z * p.z - k2 * y * y);
  if (disc >= 0) {
    for (int side = -1; side <= 1; side += 2) {
      float t = (-half_b + side * sqrtf(disc)) / a, at_y = p.y + t * d.y;
      if (t > kMinDistance && t < hit.distance && at_y >= kConeBase && at_y <= kConeTip) {
        hit = (Hit){t, V(p.x + t * d.x, k2 * (kConeTip - at_y), p.z + t * d.z)};
      }
    }
  }
  return NearerDisc(hit, p, d, kConeBase, kConeRadius, -1);
}

// Distance along the unit ray, or -1; the unit normal in the world when `normal` is not null.
static float Intersect(const Solid* s, Vec origin, Vec direction, Vec* normal) {
  Vec from = Sub(origin, s->centre);
  float toward = Dot(from, direction), bound = s->size * kBoundingRadius, outside = Dot(from, from) - bound * bound;
  if (toward * toward - outside < 0 || (outside > 0 && toward > 0)) return -1;
  // Scaling origin and direction alike keeps the distance in world units.
  Vec p = Scale(ToObject(s, from), 1.f / s->size), d = Scale(ToObject(s, direction), 1.f / s->size);
  Hit hit;
  switch (s->shape) {
    case kSphere: hit = HitSphere(p, d); break;
    case kCube: hit = HitCube(p, d); break;
    case kCylinder: hit = HitCylinder(p, d); break;
    default: hit = HitCone(p, d); break;
  }
  if (hit.distance >= kNoHit) return -1;
  if (normal) *normal = Unit(ToWorld(s, hit.normal));
  return hit.distance;
}

// ---- Light, sky, floor.
typedef struct {
  Vec eye, forward, right, up;
  float field;  // tangent of half the field of view
} View;

typedef struct {
  Solid solids[2];
  int num_solids;
  Vec floor, zenith, horizon;
  Vec light, light_u, light_v;  // direction to the light, and the plane of its area
  View view;
} World;

// The first solid along the unit ray, null when there is none; its distance, and the unit normal there.
static const Solid* Nearest(const World* w, Vec origin, Vec direction, float* distance, Vec* normal) {
  const Solid* nearest = 0;
  for (int i = 0; i < w->num_solids; ++i) {
    Vec n;
    float t = Intersect(&w->solids[i], origin, direction, &n);
    if (t > 0 && (!nearest || t < *distance)) nearest = &w->solids[i], *distance = t, *normal = n;
  }
  return nearest;
}

static Vec SkyColour(const World* w, Vec direction) {
  return Mix(w->horizon, w->zenith, powf(Clamp(direction.y * 1.9f, 0, 1), .75f));
}

static Vec ShadeSolid(const World* w, const Solid* s, Vec p, Vec n, Vec direction) {
  float facing = fmaxf(Dot(n, w->light), 0), up = .5f + .5f * n.y;
  Vec ambient = Scale(Mix(Scale(w->floor, .55f), V(1, 1, 1), up), .42f);
  Vec colour = Times(s->colour, Add(ambient, Scale(V(1, .98f, .94f), .78f * facing)));
  Vec mirrored = Reflect(direction, n);
  float fresnel = powf(1 - Clamp(-Dot(direction, n), 0, 1), 4);
  Vec around = mirrored.y > 0 ? SkyColour(w, mirrored) : w->floor;
  colour = Add(colour, Scale(around, .05f + .22f * fresnel));
  float highlight = Dot(mirrored, w->light);
  if (highlight > 0) colour = Add(colour, Scale(V(1, 1, 1), .55f * powf(highlight, 28)));
  return Scale(colour, Clamp(.55f + p.y * 1.2f, 0, 1));  // darker close to the floor
}

// The share of the light's area that the floor point sees; `pattern` varies the 8 samples from ray to ray.
static float LightShare(const World* w, Vec p, int pattern) {
  static const float kSamples[16][2] = {
      {-.75f, -.25f}, {-.25f, .75f}, {.25f, -.75f}, {.75f, .25f},   {-.5f, -.8f}, {.5f, .8f},  {-.85f, .45f}, {.85f, -.45f},
      {0, 0},         {.35f, .35f},  {-.35f, -.35f}, {.35f, -.35f}, {-.35f, .35f}, {0, .95f}, {0, -.95f},    {-.95f, 0}};
  const Solid* near[2];  // those that can stand in the light's way
  int num_near = 0;
  for (int i = 0; i < w->num_solids; ++i) {
    const Solid* s = &w->solids[i];
    Vec to_solid = Sub(s->centre, p);
    float along = Dot(to_solid, w->light), off2 = Dot(to_solid, to_solid) - along * along;
    float reach = s->size * 1.3f + .30f * fabsf(along) + .05f;
    if (off2 <= reach * reach && along >= -s->size * 1.4f) near[num_near++] = s;
  }
  if (num_near == 0) return 1;
  int lit = 0;
  float turn_cos = (pattern & 2) ? .7071f : 1, turn_sin = (pattern & 2) ? .7071f : 0;
  for (int i = 0; i < 8; ++i) {
    const float* sample = kSamples[(i * 2 + (pattern & 1)) & 15];
    float a = sample[0] * turn_cos - sample[1] * turn_sin, b = sample[0] * turn_sin + sample[1] * turn_cos;
    Vec to_light = Unit(Add(w->light, Add(Scale(w->light_u, a * .17f), Scale(w->light_v, b * .17f))));
    int blocked = 0;
    for (int j = 0; j < num_near && !blocked; ++j) {
      blocked = Intersect(near[j], Add(p, Scale(to_light, 2e-3f)), to_light, 0) >= 0;
    }
    if (!blocked) ++lit;
  }
  return lit / 8.f;
}

static Vec ShadeFloor(const World* w, Vec direction, int pattern) {
  float distance = -w->view.eye.y / direction.y, contact = 1;
  Vec p = Add(w->view.eye, Scale(direction, distance));
  for (int i = 0; i < w->num_solids; ++i) {
    const Solid* s = &w->solids[i];
    Vec to_solid = Sub(s->centre, p);
    float off = sqrtf(to_solid.x * to_solid.x + to_solid.z * to_solid.z);
    float height = Clamp((s->centre.y - s->size * .85f) / s->size, 0, 4);
    contact *= 1 - .38f * expf(-off * off / (s->size * s->size * 1.1f)) / (1 + 2.5f * height);
  }
  Vec colour = Scale(w->floor, .46f * contact + .56f * LightShare(w, p, pattern));
  Vec mirrored = V(direction.x, -direction.y, direction.z), normal;
  float t = 0;
  const Solid* seen = Nearest(w, p, mirrored, &t, &normal);
  Vec reflection = seen ? ShadeSolid(w, seen, Add(p, Scale(mirrored, t)), normal, mirrored) : SkyColour(w, mirrored);
  colour = Mix(colour, reflection, .10f + .25f * powf(1 + direction.y, 5));
  float fog = 1 - expf(-(distance * distance) * .0028f);
  return Mix(colour, w->horizon, Clamp((fog - .10f) / .9f, 0, 1));
}

static Vec Trace(const World* w, Vec direction, int pattern) {
  Vec normal;
  float t = 0;
  const Solid* seen = Nearest(w, w->view.eye, direction, &t, &normal);
  if (seen) return ShadeSolid(w, seen, Add(w->view.eye, Scale(direction, t)), normal, direction);
  if (direction.y < -1e-4f) return ShadeFloor(w, direction, pattern);
  return SkyColour(w, direction);
}

// The camera at rest, turned by `orbit` about the vertical line through (x, z) and by `pan` about itself.
static View MakeView(float x, float z, float orbit, float pan, float zoom) {
  const float kFieldOfView = .42f;
  const Vec at_rest = V(0, 2.15f, -6.2f), target = V(0, .95f, 0);
  const float c = cosf(orbit), s = sinf(orbit), turn_cos = cosf(pan), turn_sin = sinf(pan);
  View view = {.field = kFieldOfView / zoom};
  view.eye = V(x + c * (at_rest.x - x) + s * (at_rest.z - z), at_rest.y, z + c * (at_rest.z - z) - s * (at_rest.x - x));
  Vec ahead = Unit(Sub(target, at_rest));
  ahead = V(c * ahead.x + s * ahead.z, ahead.y, c * ahead.z - s * ahead.x);
  view.forward = V(turn_cos * ahead.x + turn_sin * ahead.z, ahead.y, turn_cos * ahead.z - turn_sin * ahead.x);
  view.right = Unit(V(view.forward.z, 0, -view.forward.x));
  view.up = Cross(view.forward, view.right);
  return view;
}

static World MakeWorld(const int attributes[kToyboxNumAttributes]) {
  World w = {.num_solids = 1};
  w.solids[0].shape = attributes[kToyboxShape];
  w.solids[0].colour = kColours[attributes[kToyboxColour]];
  w.floor = kFloors[attributes[kToyboxFloor]];
  w.zenith = kSkies[attributes[kToyboxSky]].zenith;
  w.horizon = kSkies[attributes[kToyboxSky]].horizon;
  w.light = Unit(V(-.55f, 1.05f, -.62f));
  w.light_u = Unit(V(1.05f, .55f, 0));
  w.light_v = Cross(w.light, w.light_u);
  w.view = MakeView(0, 0, 0, 0, 1);
  return w;
}

static void Place(Solid* solid, const ToyboxPose* pose) {
  solid->centre = V(pose->x, pose->y, pose->z);
  solid->size = pose->size;
  for (int i = 0; i < 9; ++i) solid->rotation[i] = pose->rotation[i];
}

static void RenderFrame(const World* w, int size, int samples, uint8_t* out) {
  const float kGamma = .85f, kVignette = .05f;
  const View* view = &w->view;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      Vec sum = V(0, 0, 0);
      for (int k = 0; k < samples * samples; ++k) {
        float across = ((x + (k % samples + .5f) / samples) / size * 2 - 1) * view->field;
        float upward = (1 - (y + (k / samples + .5f) / samples) / size * 2) * view->field;
        Vec ray = Unit(Add(view->forward, Add(Scale(view->right, across), Scale(view->up, upward))));
        sum = Add(sum, Trace(w, ray, k));
      }
      float u = (x + .5f) / size * 2 - 1, v = (y + .5f) / size * 2 - 1;
      Vec colour = Scale(sum, (1 - kVignette * (u * u + v * v)) / (samples * samples));
      const float rgb[3] = {colour.x, colour.y, colour.z};
      uint8_t* pixel = out + ((int64_t)y * size + x) * 3;
      for (int i = 0; i < 3; ++i) pixel[i] = (uint8_t)(255.f * powf(Clamp(rgb[i], 0, 1), kGamma) + .5f);
    }
  }
}

void ToyboxRenderPoses(const int attributes[kToyboxNumAttributes], const ToyboxPose* poses, int frames, int size,
                       int samples, uint8_t* out) {
  World w = MakeWorld(attributes);
  for (int frame = 0; frame < frames; ++frame) {
    Place(&w.solids[0], &poses[frame]);
    RenderFrame(&w, size, samples, out + (int64_t)frame * size * size * 3);
  }
}

// ---- Drawing a scene's motion.
typedef struct {
  uint64_t state;
} Random;

// splitmix64: a stream that is the same everywhere.
static float Uniform(Random* r, float low, float high) {
  uint64_t z = (r->state += 0x9E3779B97F4A7C15ull);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  z ^= z >> 31;
  return low + (high - low) * (float)(z >> 40) / 16777216.f;
}

static void SetRotation(float m[9], Vec axis, float angle) {
  Vec a = Unit(axis);
  float c = cosf(angle), s = sinf(angle), d = 1 - c;
  const float rows[9] = {c + a.x * a.x * d,       a.x * a.y * d - a.z * s, a.x * a.z * d + a.y * s,
                         a.y * a.x * d + a.z * s, c + a.y * a.y * d,       a.y * a.z * d - a.x * s,
                         a.z * a.x * d - a.y * s, a.z * a.y * d + a.x * s, c + a.z * a.z * d};
  for (int i = 0; i < 9; ++i) m[i] = rows[i];
}

static void Multiply(const float a[9], const float b[9], float out[9]) {
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 3; ++j) out[3 * i + j] = a[3 * i] * b[j] + a[3 * i + 1] * b[3 + j] + a[3 * i + 2] * b[6 + j];
  }
}

void ToyboxDrawPoses(const int attributes[kToyboxNumAttributes], uint64_t seed, int frames, ToyboxPose* poses) {
  Random r = {seed};
  const int motion = attributes[kToyboxMotion];
  const float size = Uniform(&r, .78f, .95f), x = Uniform(&r, -.45f, .45f), z = Uniform(&r, -.4f, .3f);
  const float yaw = Uniform(&r, 0, kPi / 2);
  // Two more draws, whose meaning depends on the motion.
  const float first = Uniform(&r, 0, 1), second = Uniform(&r, 0, 1);
  float upright[9], tilt[9];
  SetRotation(upright, V(0, 1, 0), yaw);
  SetRotation(tilt, V(1, 0, 0), -.35f);
  for (int i = 0; i < frames; ++i) {
    const float t = frames > 1 ? (float)i / (float)(frames - 1) : 0;
    ToyboxPose* pose = &poses[i];
    *pose = (ToyboxPose){.x = x, .z = z, .size = size};
    for (int j = 0; j < 9; ++j) pose->rotation[j] = upright[j];
    float lift = 0;
    switch (motion) {
      case kRight:
      case kLeft: {
        const float start = 1.35f + .4f * first, end = 1.35f + .4f * second;
        pose->x = (-start + (start + end) * t) * (motion == kLeft ? -1 : 1);
        break;
      }
      case kBounce: {  // two parabolas a clip, beginning anywhere in the first third of one
        const float height = 1.0f + .4f * first, beat = 2 * t + .35f * second;
        const float fall = 2 * (beat - floorf(beat)) - 1;
        pose->size = size * .85f;
        lift = height * (1 - fall * fall);
        break;
      }
      case kGrow:
      case kShrink: {
        const float small = .32f + .08f * first, large = 1.1f + .15f * second;
        pose->size = small + (large - small) * (motion == kGrow ? t : 1 - t);
        break;
      }
      case kSpin: {  // three quarters of a turn about a slanted axis, in the air
        float turn[9];
        lift = .35f + .15f * first;
        SetRotation(turn, V(.35f, .5f, 1.0f), yaw + 1.5f * kPi * (.9f + .2f * second) * t);
        Multiply(turn, tilt, pose->rotation);
        break;
      }
      default: {  // kCircle: once around, on the floor
        const float radius = 1.0f + .25f * first, angle = -.5f + second - kPi / 2 + 2 * kPi * t;
        pose->size = size * .8f;
        pose->x = radius * cosf(angle);
        pose->z = .15f + radius * 1.15f * sinf(angle);
        break;
      }
    }
    pose->y = pose->size * kRestHeight[attributes[kToyboxShape]] + lift;
  }
}

enum { kMaxFrames = 1024 };

static int InRange(const int attributes[kToyboxNumAttributes], int num_motions) {
  const int counts[kToyboxNumAttributes] = {kToyboxNumShapes, kToyboxNumColours, kToyboxNumFloors, num_motions,
                                            kToyboxNumSkies};
  for (int i = 0; i < kToyboxNumAttributes; ++i) {
    if (attributes[i] < 0 || attributes[i] >= counts[i]) return 0;
  }
  return 1;
}

int ToyboxRenderClip(const int attributes[kToyboxNumAttributes], uint64_t seed, int frames, int size, int samples,
                     uint8_t* out) {
  if (!InRange(attributes, kToyboxNumMotions) || frames < 1 || frames > kMaxFrames || size < 1 || samples < 1) return -1;
  ToyboxPose poses[kMaxFrames];
  ToyboxDrawPoses(attributes, seed, frames, poses);
  ToyboxRenderPoses(attributes, poses, frames, size, samples, out);
  return 0;
}

// ---- Scenes at rest: one solid or two, and the camera's moves.
static ToyboxPose DrawStanding(Random* r, int shape, float size, float x, float z) {
  ToyboxPose pose = {.x = x, .y = size * kRestHeight[shape], .z = z, .size = size};
  SetRotation(pose.rotation, V(0, 1, 0), Uniform(r, 0, kPi / 2));
  return pose;
}

// poses[0] stands in `relation` to poses[1], as the camera at rest sees them.
static void DrawPair(Random* r, int relation, const int shapes[2], ToyboxPose poses[2]) {
  if (relation == kOnTopOf) {
    const float x = Uniform(r, -.5f, .5f), z = Uniform(r, -.4f, .3f);
    const float lower = Uniform(r, .60f, .72f), upper = Uniform(r, .45f, .58f);
    poses[0] = DrawStanding(r, shapes[0], upper, x, z);
    poses[1] = DrawStanding(r, shapes[1], lower, x, z);
    poses[0].y += 2 * lower * kRestHeight[shapes[1]];
    return;
  }
  const int leading = relation == kRightOf || relation == kBehind;  // which of the two is at the left, or in front
  float size[2], x[2], z[2];
  for (int i = 0; i < 2; ++i) {
    const int first = i == leading;
    size[i] = Uniform(r, .55f, .72f);
    if (relation == kLeftOf || relation == kRightOf) {
      x[i] = (first ? -1 : 1) * Uniform(r, .85f, 1.15f);
      z[i] = Uniform(r, -.3f, .3f);
    } else {
      x[i] = (first ? -1 : 1) * Uniform(r, .28f, .48f);
      z[i] = first ? Uniform(r, -1.5f, -1.1f) : Uniform(r, 1.0f, 1.5f);
    }
  }
  if (relation == kInFrontOf || relation == kBehind) {  // which of them is a little to the left tells nothing
    if (Uniform(r, 0, 1) < .5f) x[0] = -x[0], x[1] = -x[1];
  }
  for (int i = 0; i < 2; ++i) poses[i] = DrawStanding(r, shapes[i], size[i], x[i], z[i]);
}

// The camera at moment t in 0...1; first and second in 0...1 vary the move.
static View DrawView(int camera, float x, float z, int pair, float t, float first, float second) {
  const float wide = (pair ? .70f : .78f) - .06f * first, close = (pair ? 1.12f : 1.45f) + .15f * second;
  const float turn = .24f + .08f * first, turned = .24f + .08f * second;
  switch (camera) {
    case kOrbit: return MakeView(x, z, -.3f + .4f * first + (1.8f + .6f * second) * t, 0, 1);
    case kZoomIn: return MakeView(x, z, 0, 0, wide * powf(close / wide, t));
    case kZoomOut: return MakeView(x, z, 0, 0, wide * powf(close / wide, 1 - t));
    case kPanRight: return MakeView(x, z, 0, -turn + (turn + turned) * t, 1);
    case kPanLeft: return MakeView(x, z, 0, turn - (turn + turned) * t, 1);
    default: return MakeView(x, z, 0, 0, 1);
  }
}

int ToyboxRenderScene(const int attributes[kToyboxNumSceneAttributes], uint64_t seed, int frames, int size, int samples,
                      uint8_t* out) {
  const int camera = attributes[kToyboxCamera], relation = attributes[kToyboxRelation];
  const int shape = attributes[kToyboxSecondShape], colour = attributes[kToyboxSecondColour], pair = relation != kAlone;
  if (!InRange(attributes, kToyboxNumMotions + 1) || camera < 0 || camera >= kToyboxNumCameras || relation < 0 ||
      relation >= kToyboxNumRelations || shape < 0 || shape > kToyboxNumShapes || colour < 0 ||
      colour > kToyboxNumColours || (shape != 0) != pair || (colour != 0) != pair) {
    return -1;
  }
  if (attributes[kToyboxMotion] != kToyboxStill) {
    return camera == kRest && !pair ? ToyboxRenderClip(attributes, seed, frames, size, samples, out) : -1;
  }
  if (frames < 1 || frames > kMaxFrames || size < 1 || samples < 1) return -1;
  Random r = {seed};
  World w = MakeWorld(attributes);
  ToyboxPose poses[2];
  if (pair) {
    const int shapes[2] = {w.solids[0].shape, shape - 1};
    w.num_solids = 2;
    w.solids[1].shape = shapes[1];
    w.solids[1].colour = kColours[colour - 1];
    DrawPair(&r, relation, shapes, poses);
    Place(&w.solids[1], &poses[1]);
  } else {
    const float large = Uniform(&r, .78f, .95f), x = Uniform(&r, -.45f, .45f), z = Uniform(&r, -.4f, .3f);
    poses[0] = DrawStanding(&r, w.solids[0].shape, large, x, z);
  }
  Place(&w.solids[0], &poses[0]);
  const float first = Uniform(&r, 0, 1), second = Uniform(&r, 0, 1);
  for (int i = 0; i < frames; ++i) {
    const float t = frames > 1 ? (float)i / (float)(frames - 1) : 0;
    w.view = DrawView(camera, poses[0].x, poses[0].z, pair, t, first, second);
    RenderFrame(&w, size, samples, out + (int64_t)i * size * size * 3);
  }
  return 0;
}

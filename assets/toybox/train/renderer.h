// The ray caster that draws Toybox's clips: one or two solids on a floor, with area-light soft shadow, a faint floor
// reflection, fog and a gradient sky. Training reads it through ctypes (scenes.py); tests/quality calibrates its detector with it.
#ifndef ASSETS_TOYBOX_TRAIN_RENDERER_H_
#define ASSETS_TOYBOX_TRAIN_RENDERER_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Indices of the attributes, in the order of grammar.py.
enum { kToyboxShape, kToyboxColour, kToyboxFloor, kToyboxMotion, kToyboxSky, kToyboxNumAttributes };
enum { kToyboxNumShapes = 4, kToyboxNumColours = 6, kToyboxNumFloors = 5, kToyboxNumMotions = 7, kToyboxNumSkies = 3 };

// Four more for any scene. Its motion may also be kToyboxStill, and is where the camera moves or there are two solids; a
// second solid's shape and colour count from 1, 0 being none.
enum { kToyboxStill = kToyboxNumMotions };
enum {
  kToyboxCamera = kToyboxNumAttributes,
  kToyboxRelation,
  kToyboxSecondShape,
  kToyboxSecondColour,
  kToyboxNumSceneAttributes
};
enum { kToyboxNumCameras = 6, kToyboxNumRelations = 6 };

// Where the solid is in one frame. World units: the floor is y = 0, the camera looks along +z; a solid is about 2 * size across.
typedef struct {
  float x, y, z;
  float size;
  float rotation[9];  // row-major, object to world
} ToyboxPose;

// Draws a pose for each of `frames` frames of the clip from the attributes' distribution; the same seed gives the same clip.
void ToyboxDrawPoses(const int attributes[kToyboxNumAttributes], uint64_t seed, int frames, ToyboxPose* poses);

// Renders `frames` frames of size x size RGB bytes into out[frames][size][size][3], with samples x samples rays a pixel.
void ToyboxRenderPoses(const int attributes[kToyboxNumAttributes], const ToyboxPose* poses, int frames, int size,
                       int samples, uint8_t* out);

// Both in one. Returns 0, or -1 when an attribute is out of range or frames is not in 1...1024.
int ToyboxRenderClip(const int attributes[kToyboxNumAttributes], uint64_t seed, int frames, int size, int samples,
                     uint8_t* out);

// The same for any scene; clips of one moving solid before a camera at rest are those of ToyboxRenderClip.
// Returns 0, or -1 when an attribute is out of range, attributes contradict each other or frames is not in 1...1024.
int ToyboxRenderScene(const int attributes[kToyboxNumSceneAttributes], uint64_t seed, int frames, int size, int samples,
                      uint8_t* out);

#ifdef __cplusplus
}
#endif

#endif  // ASSETS_TOYBOX_TRAIN_RENDERER_H_

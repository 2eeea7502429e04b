// Gives the precompiled-header targets something to compile.
namespace hanse {
extern const int pch_anchor;
const int pch_anchor = 0;
}  // namespace hanse

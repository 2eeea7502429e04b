// The same for test programs, with GoogleTest.
#pragma once
#include "pch.h"
#include <gtest/gtest.h>
